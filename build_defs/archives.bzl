"""Files about which tests/build proves something."""

load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _own_archives_impl(ctx):
    out = []
    for d in ctx.attr.deps:
        for linker_input in d[CcInfo].linking_context.linker_inputs.to_list():
            if linker_input.owner.workspace_root:
                continue  # a third party's
            for library in linker_input.libraries:
                archive = library.pic_static_library or library.static_library
                if archive:
                    out.append(archive)
    return [DefaultInfo(files = depset(out), runfiles = ctx.runfiles(files = out))]

own_archives = rule(
    implementation = _own_archives_impl,
    doc = "The static archives of this repository among all that `deps` link, directly or not.",
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
)
