"""@com_google_absl: the header-only parts of Abseil.

The installed flavour offers exactly the labels below, as headers with nothing to link: libtenon must not
carry a foreign shared library into a wheel or a consumer, and a label that needs one does not exist here.
(`at()` of a span or inlined vector would need a compiled part: the linker says so; use operator[].)
Debian's 20220623 has its own string_view and no absl/log.
"""

load(":system.bzl", "dependency_rule", "download", "find_header", "use_system", "write_build")

_HEADER_ONLY = {
    "absl/algorithm": ["algorithm", "container"],
    "absl/base": ["config", "core_headers"],
    "absl/cleanup": ["cleanup"],
    "absl/container": ["fixed_array", "inlined_vector"],
    "absl/functional": ["bind_front", "function_ref"],
    "absl/memory": ["memory"],
    "absl/meta": ["type_traits"],
    "absl/numeric": ["bits"],
    "absl/types": ["span"],
    "absl/utility": ["utility"],
}

def _impl(rctx):
    include = find_header(rctx, "absl/base/config.h")
    if not use_system(rctx, include, "libabsl-dev"):
        download(rctx)
        return
    rctx.symlink(include + "/absl", "_include/absl")
    write_build(rctx, "absl.bzl", """
cc_library(
    name = "headers",
    hdrs = glob(["_include/absl/**/*.h", "_include/absl/**/*.inc"]),
    includes = ["_include"],
)
""")
    for package, targets in _HEADER_ONLY.items():
        lines = ["package(default_visibility = [\"//visibility:public\"])"]
        for t in targets:
            lines.append("alias(name = %r, actual = \"//:headers\")" % t)
        rctx.file(package + "/BUILD.bazel", "\n".join(lines) + "\n")

absl_repository = dependency_rule(_impl)
