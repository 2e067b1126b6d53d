"""@rules_cc for WORKSPACE mode: third_party/rules_cc re-exports Bazel's native C++ rules.

The C++ rules are native up to Bazel 8; Bazel 9 has no WORKSPACE mode and takes the real rules_cc from
MODULE.bazel. So one BUILD file with `load("@rules_cc//cc:cc_library.bzl", ...)` serves 4.2 to 9. Debian's
own bazel-rules-cc does not load in Bazel 4.2.3.
"""

# A BUILD file is kept as BUILD.shim, so that these are no packages of our own repository.
_FILES = [
    "BUILD.shim",
    "cc/BUILD.shim",
    "cc/cc_binary.bzl",
    "cc/cc_import.bzl",
    "cc/cc_library.bzl",
    "cc/cc_test.bzl",
    "cc/common/BUILD.shim",
    "cc/common/cc_common.bzl",
    "cc/common/cc_info.bzl",
    "cc/compiler/BUILD.shim",
    "cc/defs.bzl",
    "cc/find_cc_toolchain.bzl",
    "cc/private_builtins.bzl",
    "cc/runfiles/BUILD.shim",
]

def _impl(rctx):
    # File by file: a symlink to the directory would make Bazel see nested packages twice.
    base = str(rctx.path(Label("//third_party:rules_cc/BUILD.shim")).dirname)
    for f in _FILES:
        rctx.symlink(base + "/" + f, f.replace(".shim", ""))
    rctx.file("WORKSPACE", "workspace(name = \"rules_cc\")\n")

rules_cc_repository = repository_rule(implementation = _impl, local = True)
