"""Repositories that Bazel itself, or a dependency's own BUILD file, wants in WORKSPACE mode.

Bazel's built-in WORKSPACE suffix defines them as downloads. Debian's Bazel works without a network, so
its two real needs are met by stand-ins here: the Java rules that @bazel_tools//tools/jdk loads (nothing
of ours is Java), and the coverage tool that every cc_test of Bazel 4 names, used or not. Debian's
build is told from an upstream one by its empty native.bazel_version.
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

def _archive_impl(rctx):
    rctx.download_and_extract(url = rctx.attr.urls, sha256 = rctx.attr.sha256)

# http_archive without a load from @bazel_tools; fetched only when a downloaded dependency loads it.
_archive = repository_rule(
    implementation = _archive_impl,
    attrs = {"urls": attr.string_list(), "sha256": attr.string()},
)

# The @platforms inside Debian's Bazel is too old for the pinned archives' BUILD files.
def _platforms_impl(rctx):
    embedded = rctx.path("/usr/share/bazel/platforms")
    if rctx.os.environ.get("TENON_DEPS") != "download" and embedded.exists:
        for child in embedded.readdir():
            rctx.symlink(child, child.basename)
    else:
        _archive_impl(rctx)

_platforms = repository_rule(
    implementation = _platforms_impl,
    attrs = {"urls": attr.string_list(), "sha256": attr.string()},
    environ = ["TENON_DEPS"],
    local = True,
)

def bazel_wants():
    if not native.bazel_version:
        if not native.existing_rule("platforms"):
            _platforms(name = "platforms", **PINS["platforms"])
        if not native.existing_rule("rules_java"):
            _rules_java(name = "rules_java")
        if not native.existing_rule("remote_coverage_tools"):
            _coverage_tools(name = "remote_coverage_tools")
    for name in ["bazel_skylib", "rules_license"]:
        if not native.existing_rule(name):
            _archive(name = name, **PINS[name])
