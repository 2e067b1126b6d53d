"""@com_github_google_benchmark: libbenchmark-dev or the pinned archive."""

load(":system.bzl", "dependency_rule", "download", "find_header", "use_system", "write_build")

_SYSTEM = """
cc_library(
    name = "benchmark",
    hdrs = glob(["_include/**/*.h"]),
    includes = ["_include"],
    linkopts = ["-lbenchmark", "-lpthread"],
)

cc_library(
    name = "benchmark_main",
    linkopts = ["-lbenchmark_main"],
    deps = [":benchmark"],
)
"""

# Its own BUILD file calls module_version(), which Bazel has from 6 on.
_ARCHIVE = """
cc_library(
    name = "benchmark",
    srcs = glob(["src/*.cc", "src/*.h"], exclude = ["src/benchmark_main.cc"]),
    hdrs = glob(["include/benchmark/*.h"]),
    copts = ["-w"],
    defines = ["BENCHMARK_STATIC_DEFINE"],
    includes = ["include"],
    linkopts = ["-lpthread"],
    local_defines = ["BENCHMARK_VERSION=\\\\\\"v1.9.4\\\\\\""],
)

cc_library(
    name = "benchmark_main",
    srcs = ["src/benchmark_main.cc"],
    copts = ["-w"],
    deps = [":benchmark"],
)
"""

def _impl(rctx):
    include = find_header(rctx, "benchmark/benchmark.h")
    if use_system(rctx, include, "libbenchmark-dev"):
        rctx.symlink(include + "/benchmark", "_include/benchmark")
        write_build(rctx, "benchmark.bzl", _SYSTEM)
    else:
        download(rctx)
        write_build(rctx, "benchmark.bzl", _ARCHIVE)

benchmark_repository = dependency_rule(_impl)
