"""Repositories that Bazel itself, or a dependency's own BUILD file, wants in WORKSPACE mode.

Bazel's built-in WORKSPACE suffix defines them as downloads. Debian's Bazel works without a network, so
what it needs is taken from the machine or met by stand-ins: the Java rules that @bazel_tools//tools/jdk
loads (nothing of ours is Java), and the coverage tool that every cc_test of Bazel 4 names, used or not.
Debian's build is told from an upstream one by its empty native.bazel_version.
"""

load(":versions.bzl", "PINS")

_RULES_JAVA = """
def java_binary(**kwargs):
    native.java_binary(**kwargs)

def java_import(**kwargs):
    native.java_import(**kwargs)

def java_library(**kwargs):
    native.java_library(**kwargs)

def java_proto_library(**kwargs):
    native.java_proto_library(**kwargs)

def java_runtime(**kwargs):
    native.java_runtime(**kwargs)

def java_toolchain(**kwargs):
    native.java_toolchain(**kwargs)
"""

_COVERAGE_SCRIPT = "#!/bin/sh\necho 'bazel coverage is not set up in this repository' >&2\nexit 1\n"

_COVERAGE_BUILD = """
package(default_visibility = ["//visibility:public"])

filegroup(name = "coverage_report_generator", srcs = ["tool.sh"])

sh_binary(name = "lcov_merger", srcs = ["tool.sh"])
"""

def _rules_java_impl(rctx):
    rctx.file("BUILD.bazel", "")
    rctx.file("java/BUILD.bazel", "")
    rctx.file("java/defs.bzl", _RULES_JAVA)

_rules_java = repository_rule(implementation = _rules_java_impl)

def _coverage_impl(rctx):
    rctx.file("tool.sh", _COVERAGE_SCRIPT, executable = True)
    rctx.file("BUILD.bazel", _COVERAGE_BUILD)

_coverage_tools = repository_rule(implementation = _coverage_impl)

# Where Debian's packages have them: the first with Bazel 7, the second with Bazel 4, whose @platforms is too old for the
# BUILD files of the pinned archives.
_DEBIAN = {
    "bazel_features": ["/usr/share/bazel/tools/features"],
    "bazel_skylib": ["/usr/share/bazel/tools/skylib"],
    "platforms": ["/usr/share/bazel/tools/platforms", "/usr/share/bazel/platforms"],
    "rules_license": ["/usr/share/bazel/rules/license"],
    "rules_python": ["/usr/share/bazel/rules/python"],
}

def _debian_or_archive_impl(rctx):
    for candidate in rctx.attr.candidates:
        found = rctx.path(candidate)
        if rctx.os.environ.get("TENON_DEPS") != "download" and found.exists:
            for child in found.readdir():
                rctx.symlink(child, child.basename)
            return
    if not rctx.attr.urls:
        fail("Debian's Bazel wants @%s in %s" % (rctx.name, rctx.attr.candidates))
    rctx.download_and_extract(url = rctx.attr.urls, sha256 = rctx.attr.sha256)

# Without a load from @bazel_tools; fetched only when something loads it.
_debian_or_archive = repository_rule(
    implementation = _debian_or_archive_impl,
    attrs = {
        "candidates": attr.string_list(),
        "sha256": attr.string(),
        "urls": attr.string_list(),
    },
    environ = ["TENON_DEPS"],
    local = True,
)

def bazel_wants():
    wanted = ["bazel_skylib", "rules_license"]
    if not native.bazel_version:
        wanted.append("platforms")
        if hasattr(native, "package_relative_label"):  # Bazel 7
            wanted += ["bazel_features", "rules_python"]
        if not native.existing_rule("rules_java"):
            _rules_java(name = "rules_java")
        if not native.existing_rule("remote_coverage_tools"):
            _coverage_tools(name = "remote_coverage_tools")
    for name in wanted:
        if not native.existing_rule(name):
            _debian_or_archive(name = name, candidates = _DEBIAN[name], **PINS.get(name, {}))
