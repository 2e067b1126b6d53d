"""@com_google_highway: the headers of libhwy-dev, or the pinned archive (which has its own BUILD file).

The installed library is not linked: nothing of it is used (backends/cpu/targets.h).
"""

load(":system.bzl", "dependency_rule", "download", "find_header", "use_system", "write_build")

_BUILD = """
cc_library(
    name = "hwy",
    hdrs = glob(["_include/**/*.h"]),
    includes = ["_include"],
)
"""

def _impl(rctx):
    include = find_header(rctx, "hwy/highway.h")
    if not use_system(rctx, include, "libhwy-dev"):
        download(rctx)
        return
    rctx.symlink(include + "/hwy", "_include/hwy")
    write_build(rctx, "highway.bzl", _BUILD)

highway_repository = dependency_rule(_impl)
