"""@com_google_googletest: Debian's source package in /usr/src/googletest, or the pinned archive.

Built from source in either case, so that it has our flags (C++20, sanitizers).
"""

load(":system.bzl", "dependency_rule", "download", "use_system", "write_build")

_ROOT = "/usr/src/googletest"

_BUILD = """
cc_library(
    name = "gtest",
    srcs = glob(
        ["googletest/src/*.cc", "googletest/src/*.h", "googlemock/src/*.cc"],
        exclude = [
            "googletest/src/gtest-all.cc",
            "googletest/src/gtest_main.cc",
            "googlemock/src/gmock-all.cc",
            "googlemock/src/gmock_main.cc",
        ],
    ),
    hdrs = glob(["googletest/include/**/*.h", "googlemock/include/**/*.h"]),
    copts = ["-w"],
    includes = ["googletest", "googletest/include", "googlemock", "googlemock/include"],
    linkopts = ["-lpthread"],
)

cc_library(
    name = "gtest_main",
    srcs = ["googlemock/src/gmock_main.cc"],
    copts = ["-w"],
    deps = [":gtest"],
)
"""

def _impl(rctx):
    if not use_system(rctx, rctx.path(_ROOT).exists, "googletest"):
        download(rctx)
        return
    for part in ["googletest", "googlemock"]:
        for d in ["include", "src"]:
            rctx.symlink("%s/%s/%s" % (_ROOT, part, d), part + "/" + d)
    write_build(rctx, "googletest.bzl", _BUILD)

googletest_repository = dependency_rule(_impl)
