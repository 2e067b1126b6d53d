"""cuda_plugin_test: a test of the CUDA plug-in on the stand-ins for NVIDIA's libraries."""

load("//build_defs:cc.bzl", "tenon_cc_test")
load("//build_defs:cuda.bzl", "CUDA_COMPATIBLE_WITH")

_FILES = [
    "//backends/cuda:libtenon_backend_cuda.so",
    "//tests/cuda:libfake_cuda.so",
]

def cuda_plugin_test(name, srcs, deps = [], files = [], size = "small"):
    """srcs call RunPluginTests (plugin_fixture.h) with the number of files: two, and those of `files`."""
    tenon_cc_test(
        name = name,
        size = size,
        srcs = srcs + [
            "fake_driver.h",
            "plugin_fixture.h",
        ],
        args = ["$(rootpath %s)" % file for file in _FILES + files],
        data = _FILES + files,
        linkopts = ["-ldl"],
        main = False,
        # The driver and the plug-in's device are loaded once per copy and never freed.
        tags = ["no_sanitizer"],
        target_compatible_with = CUDA_COMPATIBLE_WITH,
        deps = deps + ["//core/abi:kit"],
    )
