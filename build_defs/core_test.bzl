"""tenon_core_test: one test program, run once per device."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load(":backend.bzl", "BackendDirInfo")
load(":cc.bzl", "own_copts")

def _device_test_impl(ctx):
    launcher = ctx.actions.declare_file(ctx.label.name)
    env = dict(ctx.attr.env)
    lines = ["#!/bin/sh"]
    lines += ["export %s=\"%s\"" % (k, v) for k, v in env.items()]
    if ctx.attr.backends:
        # A test starts in its runfiles directory. The loader takes absolute directories only.
        lines.append('export TENON_BACKEND_PATH="$PWD/%s"' % ctx.attr.backends[BackendDirInfo].path)
    if ctx.attr.probe:
        # Says why not, where the device is missing on this machine: then there is nothing to test.
        lines.append('"$PWD/%s" || exit 0' % ctx.executable.probe.short_path)
    lines.append('exec "$PWD/%s" "$@"' % ctx.executable.program.short_path)
    ctx.actions.write(launcher, "\n".join(lines) + "\n", is_executable = True)
    runfiles = ctx.runfiles().merge(ctx.attr.program[DefaultInfo].default_runfiles)
    if ctx.attr.backends:
        runfiles = runfiles.merge(ctx.attr.backends[DefaultInfo].default_runfiles)
    if ctx.attr.probe:
        runfiles = runfiles.merge(ctx.attr.probe[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

device_test = rule(
    implementation = _device_test_impl,
    doc = "Runs a program as a test with environment variables and a directory of plug-ins.",
    attrs = {
        "backends": attr.label(providers = [BackendDirInfo]),
        # Values are those of a shell: "$TEST_TMPDIR/cache".
        "env": attr.string_dict(),
        # Run before, with what `env` and `backends` set; if it fails the test is skipped.
        "probe": attr.label(executable = True, cfg = "target"),
        "program": attr.label(executable = True, cfg = "target", mandatory = True),
    },
    test = True,
)

# What is compiled is kept from one test to the next and for the next run, so not in TEST_TMPDIR: the tests share many
# kernels. A directory per user: a cache that others may write to is refused.
_KERNELS = "${TMPDIR:-/tmp}/tenon_test_kernels_$(id -u)"

OPENCL_ENV = {
    "POCL_CACHE_DIR": _KERNELS + "/pocl",
    "TENON_KERNEL_CACHE": _KERNELS + "/tenon",
}

# Instrumented code does not mix with what drivers compile at run time, and their threads outlive main.
OPENCL_TAGS = ["no_sanitizer"]

# How a device_test of each device differs from one on the cpu.
_DEVICES = {
    "cpu": {},
    "simdev": {"backends": Label("//tests/plugins/simdev:backend_dir")},
    "opencl": {
        "backends": Label("//backends/opencl:backend_dir"),
        "env": OPENCL_ENV,
        "probe": Label("//tests/opencl:probe"),
        "size": "large",
        "tags": OPENCL_TAGS,
    },
}

def tenon_core_test(
        name,
        srcs,
        deps = [],
        copts = [],
        data = [],
        size = "small",
        devices = ["cpu", "simdev", "opencl"],
        mask = None,
        falls_back = False,
        opencl_shards = 1,
        tags = [],
        **kwargs):
    """One program (<name>_program), compiled and linked once, run as several tests.

    <name>         on the cpu
    <name>_masked  on the cpu without the entries and opcodes in `mask` ("cpu:softmax,.."), if given
    <name>_simdev  the same with TENON_TEST_DEVICE=simdev; the plug-in is found through TENON_BACKEND_PATH
    <name>_opencl  the same on the OpenCL of this machine; skipped where there is none

    The sources ask //tests:test_device (TENON_TEST_DEVICE, "cpu" where unset) for the device. Pass
    devices = ["cpu"] for a test that says nothing about a device, and falls_back = True for one of an
    operation that no backend has an entry for (sort, nonzero): the others fail on OpenCL when anything
    is left to the host. With opencl_shards that test is run in so many parts: it compiles thousands of
    kernels.
    """
    cc_binary(
        name = name + "_program",
        testonly = True,
        srcs = srcs,
        copts = own_copts(srcs) + copts,
        data = data,
        deps = deps + [Label("@com_google_googletest//:gtest_main")],
        tags = tags,
        visibility = [Label("//tests/opencl:__pkg__")],  # runs the same programs
    )
    for device in devices:
        own = _DEVICES[device]
        env = dict(own.get("env", {}), TENON_TEST_DEVICE = device)
        if device == "opencl":
            env["TENON_FALLBACK"] = "silent" if falls_back else "error"
        shards = opencl_shards if device == "opencl" else 1
        device_test(
            name = name if device == "cpu" else name + "_" + device,
            size = own.get("size", size),
            program = ":%s_program" % name,
            env = env,
            backends = own.get("backends"),
            probe = own.get("probe"),
            shard_count = shards if shards > 1 else None,
            tags = tags + own.get("tags", []) + [device],
            **kwargs
        )
    if mask:
        device_test(
            name = name + "_masked",
            size = size,
            program = ":%s_program" % name,
            env = {"TENON_MASK": mask, "TENON_TEST_DEVICE": "cpu"},
            tags = tags + ["cpu"],
            **kwargs
        )
