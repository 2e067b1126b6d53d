"""C++ libraries, tests, programs and benchmarks of this repository. See README.md here for examples."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load("@rules_cc//cc:cc_test.bzl", "cc_test")

# That warnings are errors here is a matter of .bazelrc, never of a BUILD file that consumers build too.
TENON_COPTS = [
    # a*b+c is rounded twice unless the source says fma: the same bits with and without FMA instructions.
    "-ffp-contract=off",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
    # clang: a loop that it was asked to make vectors of and found no use in.
    "-Wno-pass-failed",
]

TENON_CXX_WARNINGS = ["-Wnon-virtual-dtor"]

def own_copts(srcs):
    """Our warnings; those that only C++ knows are left out of a target with C sources."""
    for s in srcs:
        if type(s) == "string" and s.endswith(".c"):
            return TENON_COPTS
    return TENON_COPTS + TENON_CXX_WARNINGS

def include_prefix():
    """core/map -> tenon/map, interop -> tenon/interop: how #include names this package's headers."""
    package = native.package_name()
    return "tenon/" + (package[len("core/"):] if package.startswith("core/") else package)

def tenon_cc_library(name, srcs = [], copts = [], **kwargs):
    """cc_library whose hdrs are included as "tenon/<floor>/<file>.h" (also .def and .inc files)."""
    cc_library(
        name = name,
        srcs = srcs,
        copts = own_copts(srcs) + copts,
        include_prefix = include_prefix(),
        linkstatic = True,
        **kwargs
    )

def tenon_cc_binary(name, srcs = [], copts = [], **kwargs):
    cc_binary(name = name, srcs = srcs, copts = own_copts(srcs) + copts, **kwargs)

def tenon_cc_test(name, srcs = [], copts = [], deps = [], size = "small", main = True, **kwargs):
    """cc_test with GoogleTest; main = False where the sources have a main() of their own."""
    gtest = Label("@com_google_googletest//:gtest_main" if main else "@com_google_googletest//:gtest")
    cc_test(
        name = name,
        size = size,
        srcs = srcs,
        copts = own_copts(srcs) + copts,
        linkstatic = True,
        deps = deps + [gtest],
        **kwargs
    )

def tenon_cc_benchmark(name, srcs = [], deps = [], copts = [], tags = [], **kwargs):
    """Google Benchmark program; `./dev bench` runs all of them, tests do not."""
    cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        copts = own_copts(srcs) + copts,
        tags = tags + ["benchmark"],
        deps = deps + [Label("@com_github_google_benchmark//:benchmark_main")],
        **kwargs
    )
