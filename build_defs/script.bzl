"""Tests written in Python or shell, without py_test and sh_test (gone from Bazel 8 and 9)."""

def _script_test_impl(ctx):
    main = ctx.file.main
    launcher = ctx.actions.declare_file(ctx.label.name)
    program = "/usr/bin/env python3" if main.extension == "py" else "/usr/bin/env bash"

    # A test starts in its runfiles directory, in which short_path names the file.
    ctx.actions.write(
        launcher,
        "#!/bin/sh\nexport PYTHONDONTWRITEBYTECODE=1\nexec %s \"$PWD/%s\" \"$@\"\n" % (program, main.short_path),
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = [main] + ctx.files.srcs + ctx.files.data)
    for d in ctx.attr.data:
        runfiles = runfiles.merge(d[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

script_test = rule(
    implementation = _script_test_impl,
    doc = "Runs `main` (.py or .sh) with the test's args; plain standard library only.",
    attrs = {
        "data": attr.label_list(allow_files = True),
        "main": attr.label(allow_single_file = [".py", ".sh"], mandatory = True),
        "srcs": attr.label_list(allow_files = True),
    },
    test = True,
)
