"""cuda_library: .cu files compiled by nvcc, one action each, offered as CcInfo.
cuda_fatbin: device code alone, as bytes in the program, for a backend that loads it through the driver.

Where no toolkit was found (//third_party:cuda.bzl), `bazel build //...` skips the targets and a target
named on the command line is an error. A backend in front of it says
`target_compatible_with = CUDA_COMPATIBLE_WITH`, loaded from this file.
"""

load("@local_config_cuda//:defs.bzl", "CUDA_ARCHS", "CUDA_AVAILABLE", "CUDA_HOST_COMPILER", "NVCC", _COMPATIBLE_WITH = "CUDA_COMPATIBLE_WITH")
load("@rules_cc//cc:find_cc_toolchain.bzl", "find_cc_toolchain", "use_cc_toolchain")
load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

CUDA_COMPATIBLE_WITH = _COMPATIBLE_WITH

def _gencode(archs):
    flags = []
    for a in archs:
        number = a.split("_")[1]
        flags.append("-gencode=arch=compute_%s,code=%s" % (number, a))
    return flags

# Host flags that nvcc must not hand on: it parses its own -std, and several warnings are useless on
# the code nvcc generates.
_DROP = ["-Wall", "-Wextra", "-Werror", "-Wpedantic", "-Wuseless-cast", "-MD"]

def _host_flags(flags):
    out = []
    for f in flags:
        if f in _DROP or f.startswith("-std=") or f.startswith("-frandom-seed") or f.startswith("-Wshadow"):
            continue
        out.append(f)
    return out

def _cuda_library_impl(ctx):
    cc_toolchain = find_cc_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features + ["module_maps", "layering_check", "parse_headers", "thin_lto"],
    )
    host = CUDA_HOST_COMPILER or cc_common.get_tool_for_action(
        feature_configuration = features,
        action_name = "c++-compile",
    )
    deps_info = cc_common.merge_cc_infos(cc_infos = [d[CcInfo] for d in ctx.attr.deps])
    dep_ctx = deps_info.compilation_context
    own_ctx = cc_common.create_compilation_context(
        headers = depset(ctx.files.hdrs),
        quote_includes = depset([
            ctx.label.workspace_root or ".",
            ctx.bin_dir.path + ("/" + ctx.label.workspace_root if ctx.label.workspace_root else ""),
        ]),
    )

    # The host toolchain's flags for this configuration (-c opt, -g, --copt, sanitizers ...).
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts,
        use_pic = True,
    )
    flags = _host_flags(cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = "c++-compile",
        variables = variables,
    ))
    mode = ctx.var["COMPILATION_MODE"]

    objects = []
    for src in ctx.files.srcs:
        obj = ctx.actions.declare_file("_cuda/%s/%s.pic.o" % (ctx.label.name, src.basename))
        objects.append(obj)
        args = ctx.actions.args()
        args.add_all(["-c", "-x", "cu", src.path, "-o", obj.path])
        args.add("-std=" + ctx.attr.std)
        args.add("-ccbin=" + host)
        args.add("--expt-relaxed-constexpr")
        args.add("--threads=1")
        args.add_all(_gencode(ctx.attr.archs or CUDA_ARCHS))
        if mode == "opt":
            args.add_all(["-O3", "-lineinfo"])
        elif mode == "dbg":
            args.add_all(["-g"])
        args.add_all(ctx.attr.nvcc_opts)
        args.add("-Xcompiler=-fPIC,-fvisibility=hidden")
        args.add_all(flags, format_each = "-Xcompiler=%s")
        args.add_all(["-D" + d for d in ctx.attr.defines])
        args.add_all(depset(transitive = [dep_ctx.defines, own_ctx.defines]), format_each = "-D%s")

        # nvcc has no -iquote; both kinds are -I. System includes stay -isystem.
        args.add_all(depset(transitive = [own_ctx.quote_includes, dep_ctx.quote_includes, dep_ctx.includes]), format_each = "-I%s")
        args.add_all(dep_ctx.system_includes, before_each = "-isystem")
        ctx.actions.run(
            executable = NVCC,
            arguments = [args],
            inputs = depset(
                [src] + ctx.files.hdrs + ctx.files._stamp,
                transitive = [dep_ctx.headers, cc_toolchain.all_files],
            ),
            outputs = [obj],
            mnemonic = "CudaCompile",
            progress_message = "Compiling CUDA %s" % src.short_path,
            env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": "/tmp"},
            execution_requirements = {"no-remote": "1"},
        )

    outputs = cc_common.create_compilation_outputs(
        objects = depset(objects),
        pic_objects = depset(objects),
    )
    linking, unused = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        compilation_outputs = outputs,
        linking_contexts = [deps_info.linking_context],
        alwayslink = ctx.attr.alwayslink,
        disallow_dynamic_library = True,
    )
    return [
        DefaultInfo(files = depset(objects)),
        OutputGroupInfo(cuda_objects = depset(objects)),
        cc_common.merge_cc_infos(direct_cc_infos = [CcInfo(
            compilation_context = own_ctx,
            linking_context = linking,
        )], cc_infos = [d[CcInfo] for d in ctx.attr.deps]),
    ]

_cuda_library = rule(
    implementation = _cuda_library_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".cu"]),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "archs": attr.string_list(doc = "overrides TENON_CUDA_ARCHS: sm_NN is SASS, compute_NN is PTX"),
        "nvcc_opts": attr.string_list(),
        "defines": attr.string_list(doc = "local to this target"),
        "std": attr.string(default = "c++20"),
        "alwayslink": attr.bool(),
        "_stamp": attr.label(default = "@local_config_cuda//:stamp"),
        "_cc_toolchain": attr.label(default = "@rules_cc//cc:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = use_cc_toolchain(),
    provides = [CcInfo],
)

def cuda_library(name, target_compatible_with = [], deps = [], **kwargs):
    """CUDA sources as a C++ library (for a backend's deps).

    Args:
      name: of the library.
      target_compatible_with: more conditions.
      deps: C++ libraries; the toolkit's headers are added.
      **kwargs: srcs (.cu), hdrs, archs, nvcc_opts, defines, std, visibility, tags ...
    """
    _cuda_library(
        name = name,
        target_compatible_with = target_compatible_with + CUDA_COMPATIBLE_WITH,
        deps = deps + ([Label("@local_config_cuda//:headers")] if CUDA_AVAILABLE else []),
        **kwargs
    )

def _code_options(archs):
    """One front-end pass where it suffices: machine code is made from the PTX of the oldest target."""
    virtual = [a for a in archs if a.startswith("compute_")]
    if not virtual:
        return _gencode(archs)
    oldest = sorted([int(a.split("_")[1]) for a in virtual])[0]
    return ["-gencode=arch=compute_%d,code=[%s]" % (oldest, ",".join(archs))]

_INCBIN = """.section .rodata
.balign 64
.global {symbol}
.hidden {symbol}
{symbol}:
.incbin "{path}"
.section .note.GNU-stack,"",@progbits
"""

def _cuda_fatbin_impl(ctx):
    cc_toolchain = find_cc_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = cc_toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features + ["module_maps", "layering_check", "parse_headers", "thin_lto"],
    )
    compiler = cc_common.get_tool_for_action(feature_configuration = features, action_name = "c++-compile")
    deps_info = cc_common.merge_cc_infos(cc_infos = [d[CcInfo] for d in ctx.attr.deps])
    dep_ctx = deps_info.compilation_context
    fatbin = ctx.actions.declare_file(ctx.label.name + ".fatbin")
    log = ctx.actions.declare_file(ctx.label.name + ".ptxas.txt")

    args = ctx.actions.args()
    args.add_all(["-fatbin", "-x", "cu", ctx.file.src, "-o", fatbin])
    args.add("-std=" + ctx.attr.std)
    args.add("-ccbin=" + (CUDA_HOST_COMPILER or compiler))
    args.add_all(_code_options(CUDA_ARCHS))
    args.add_all(["--expt-relaxed-constexpr", "--fmad=false", "-Xptxas=-v", "--threads=1"])
    args.add_all(ctx.attr.nvcc_opts)
    args.add_all([ctx.label.workspace_root or ".", ctx.bin_dir.path + ("/" + ctx.label.workspace_root if ctx.label.workspace_root else "")], format_each = "-I%s")
    args.add_all(depset(transitive = [dep_ctx.quote_includes, dep_ctx.includes]), format_each = "-I%s")
    args.add_all(dep_ctx.system_includes, before_each = "-isystem")
    ctx.actions.run_shell(
        # What ptxas reports of registers and spills goes to the log; it is shown where nvcc fails.
        command = 'log=$1; nvcc=$2; shift 2; "$nvcc" "$@" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }',
        arguments = [log.path, NVCC, args],
        inputs = depset([ctx.file.src] + ctx.files.hdrs + ctx.files._stamp, transitive = [dep_ctx.headers, cc_toolchain.all_files]),
        outputs = [fatbin, log],
        mnemonic = "CudaFatbin",
        progress_message = "Compiling CUDA device code %s" % ctx.file.src.short_path,
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": "/tmp"},
        execution_requirements = {"no-remote": "1"},
    )

    assembly = ctx.actions.declare_file(ctx.label.name + ".S")
    ctx.actions.write(assembly, _INCBIN.format(symbol = ctx.attr.symbol, path = fatbin.path))
    obj = ctx.actions.declare_file("_cuda/%s.pic.o" % ctx.label.name)
    ctx.actions.run(
        executable = compiler,
        arguments = ["-c", assembly.path, "-o", obj.path],
        inputs = depset([assembly, fatbin], transitive = [cc_toolchain.all_files]),
        outputs = [obj],
        mnemonic = "CudaEmbed",
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    outputs = cc_common.create_compilation_outputs(objects = depset([obj]), pic_objects = depset([obj]))
    linking, unused = cc_common.create_linking_context_from_compilation_outputs(
        actions = ctx.actions,
        name = ctx.label.name,
        feature_configuration = features,
        cc_toolchain = cc_toolchain,
        compilation_outputs = outputs,
        disallow_dynamic_library = True,
    )
    return [
        DefaultInfo(files = depset([fatbin, log]), runfiles = ctx.runfiles(files = [log])),
        OutputGroupInfo(ptxas = depset([log])),
        CcInfo(linking_context = linking),
    ]

_cuda_fatbin = rule(
    implementation = _cuda_fatbin_impl,
    attrs = {
        "src": attr.label(allow_single_file = [".cu"], mandatory = True),
        "hdrs": attr.label_list(allow_files = [".h", ".cuh", ".inc"]),
        "deps": attr.label_list(providers = [CcInfo]),
        "symbol": attr.string(mandatory = True),
        "nvcc_opts": attr.string_list(),
        "std": attr.string(default = "c++20"),
        "_stamp": attr.label(default = "@local_config_cuda//:stamp"),
        "_cc_toolchain": attr.label(default = "@rules_cc//cc:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = use_cc_toolchain(),
    provides = [CcInfo],
)

def cuda_fatbin(name, target_compatible_with = [], **kwargs):
    """Device code of one .cu file, for TENON_CUDA_ARCHS, as bytes in whatever depends on it.

    Nothing of CUDA's run time is linked and nothing registers itself (cuda_library does both): the bytes lie
    at `symbol` (`extern "C" extern const unsigned char symbol[];`), for cuModuleLoadData. <name>.ptxas.txt,
    among the target's files, says what ptxas reported of each kernel.

    Args:
      name: of the library.
      target_compatible_with: more conditions.
      **kwargs: src (.cu), symbol, hdrs, deps, nvcc_opts, std, visibility, tags ...
    """
    _cuda_fatbin(
        name = name,
        target_compatible_with = target_compatible_with + CUDA_COMPATIBLE_WITH,
        **kwargs
    )
