"""Backends as plug-ins and as built-in libraries, and directories of plug-ins for tests."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load(":cc.bzl", "include_prefix", "own_copts")

_EXPORTS = Label("//build_defs:backend.lds")

# As text: the select() of Bazel 4 takes no Label for a key.
_SANITIZER = str(Label("//build_defs:sanitizer"))

_HIDDEN = ["-fvisibility=hidden"]

def tenon_backend_library(
        name,
        srcs,
        hdrs = [],
        deps = [],
        copts = [],
        linkopts = [],
        static = True,
        testonly = False,
        tags = [],
        target_compatible_with = [],
        visibility = None):
    """A backend from one set of sources in two flavours.

    libtenon_backend_<name>.so  the plug-in: exports the entry function and nothing else
    <name>_static               the same to link in (static = True): its entry function is called
                                tenon_backend_entry_v0_<name>; nothing registers itself, //:tenon's table
                                of built-in backends names it
    <name>_headers              hdrs, as "tenon/backends/<name>/<file>.h", for tests and .cu files
    """
    common = dict(
        testonly = testonly,
        tags = tags,
        target_compatible_with = target_compatible_with,
        visibility = visibility,
    )
    flags = own_copts(srcs) + _HIDDEN + copts
    cc_library(
        name = name + "_headers",
        hdrs = hdrs,
        include_prefix = include_prefix(),
        deps = deps,
        **common
    )

    # The sources are linked as objects, not through an archive: nothing refers to the entry function,
    # so the linker would leave it in the archive.
    cc_binary(
        name = "libtenon_backend_%s.so" % name,
        srcs = srcs,
        copts = flags,
        linkshared = True,
        additional_linker_inputs = [_EXPORTS],
        linkopts = linkopts + [
            "-Wl,-z,now",
            "-Wl,-z,nodelete",
            "-Wl,--exclude-libs,ALL",
            "-Wl,--version-script=$(location %s)" % _EXPORTS,
        ] + select({
            # The sanitizer's runtime is in the program, not in its plug-ins.
            _SANITIZER: [],
            "//conditions:default": ["-Wl,-z,defs"],
        }),
        deps = [":%s_headers" % name],
        **common
    )
    if static:
        cc_library(
            name = name + "_static",
            srcs = srcs,
            copts = flags,
            linkopts = linkopts,
            linkstatic = True,
            local_defines = ["TENON_BACKEND_STATIC_ENTRY=tenon_backend_entry_v0_" + name],
            deps = [":%s_headers" % name],
            **common
        )

BackendDirInfo = provider(doc = "A directory of plug-ins.", fields = {"path": "its path in the runfiles"})

def _backend_dir_impl(ctx):
    out = []
    for f in ctx.files.plugins:
        if not (f.basename.startswith("libtenon_backend_") and f.extension == "so"):
            fail("%s is not a libtenon_backend_<name>.so" % f.basename)
        link = ctx.actions.declare_file(ctx.label.name + "/" + f.basename)
        ctx.actions.symlink(output = link, target_file = f)
        out.append(link)
    path = "/".join([p for p in [ctx.label.package, ctx.label.name] if p])
    if ctx.label.workspace_root:
        path = "../" + ctx.label.workspace_root.split("/")[-1] + "/" + path
    return [
        DefaultInfo(files = depset(out), runfiles = ctx.runfiles(files = out)),
        BackendDirInfo(path = path),
    ]

tenon_backend_dir = rule(
    implementation = _backend_dir_impl,
    doc = "A directory `<package>/<name>` in the runfiles that holds just these plug-ins.",
    attrs = {"plugins": attr.label_list(allow_files = [".so"], mandatory = True)},
)
