"""@zlib: zlib1g-dev or the pinned archive."""

load(":system.bzl", "dependency_rule", "download", "find_header", "use_system", "write_build")

_SYSTEM = """
cc_library(
    name = "zlib",
    hdrs = ["_include/zlib.h", "_include/zconf.h"],
    includes = ["_include"],
    linkopts = ["-lz"],
)
"""

_ARCHIVE = """
cc_library(
    name = "zlib",
    srcs = glob(["*.c"]) + glob(["*.h"], exclude = ["zlib.h", "zconf.h"]),
    hdrs = ["zlib.h", "zconf.h"],
    copts = ["-w"],
    includes = ["."],
    local_defines = ["HAVE_UNISTD_H"],
)
"""

def _impl(rctx):
    include = find_header(rctx, "zlib.h")
    if use_system(rctx, include, "zlib1g-dev"):
        rctx.symlink(include + "/zlib.h", "_include/zlib.h")
        rctx.symlink(find_header(rctx, "zconf.h") + "/zconf.h", "_include/zconf.h")
        write_build(rctx, "zlib.bzl", _SYSTEM)
    else:
        download(rctx)
        write_build(rctx, "zlib.bzl", _ARCHIVE)

zlib_repository = dependency_rule(_impl)
