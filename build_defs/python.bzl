"""Python extensions, the directory in which a package lies as it is imported, and tests that import it."""

load("@local_config_python//:defs.bzl", "PYTHON", "PYTHON_COMPATIBLE_WITH", "PYTHON_EXTENSION_SUFFIX")
load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load(":cc.bzl", "own_copts")

_EXPORTS = Label("//build_defs:python_extension.lds")

# A sanitizer's runtime would have to be preloaded into the interpreter.
_TAGS = ["no_sanitizer"]

def tenon_python_extension(name, srcs, deps = [], copts = [], linkopts = [], **kwargs):
    """<name>.so: exports its PyInit function and nothing else; no interpreter is linked in.

    The C++ runtime is linked statically, so that the extension runs where an older one is installed. No exception leaves it.
    """
    cc_binary(
        name = name + ".so",
        srcs = srcs,
        # Python's type slots cast functions and call objects by several types.
        copts = own_copts(srcs) + ["-fvisibility=hidden", "-fno-strict-aliasing", "-Wno-cast-function-type"] + copts,
        additional_linker_inputs = [_EXPORTS],
        linkopts = linkopts + [
            "-Wl,-z,now",
            "-Wl,--gc-sections",
            "-Wl,--version-script=$(location %s)" % _EXPORTS,
            # Where a wheel has the libraries that not every system has (interop/python/make_wheel.py).
            "-Wl,--disable-new-dtags",
            "-Wl,-rpath,'$$ORIGIN/.libs'",
            # -static-libstdc++ is for the g++ command; Bazel's gcc gets a -lstdc++ at the end, of which nothing is then needed.
            "-l:libstdc++.a",
            "-Wl,--as-needed",
        ],
        linkshared = True,
        linkstatic = True,
        tags = _TAGS,
        target_compatible_with = PYTHON_COMPATIBLE_WITH,
        deps = deps + ["@local_config_python//:nanobind"],
        **kwargs
    )

def _stub_impl(ctx):
    extension = ctx.file.extension
    ctx.actions.run_shell(
        outputs = [ctx.outputs.out],
        inputs = [extension, ctx.file.patterns, ctx.file.edit],
        command = (
            'export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$PWD/{dir}"; ' +
            '"{python}" -m nanobind.stubgen -q -P -m {module} -p "{patterns}" -o "{out}" && exec "{python}" "{edit}" "{out}"'
        ).format(
            dir = extension.dirname,
            edit = ctx.file.edit.path,
            module = extension.basename[:-len(".so")],
            out = ctx.outputs.out.path,
            patterns = ctx.file.patterns.path,
            python = ctx.attr.python,
        ),
        mnemonic = "PythonStub",
        progress_message = "Writing the type stub of %s" % extension.short_path,
    )

_stub = rule(
    implementation = _stub_impl,
    attrs = {
        "edit": attr.label(allow_single_file = [".py"], mandatory = True),
        "extension": attr.label(allow_single_file = [".so"], mandatory = True),
        "out": attr.output(mandatory = True),
        "patterns": attr.label(allow_single_file = True, mandatory = True),
        "python": attr.string(mandatory = True),
    },
)

def tenon_python_stub(name, extension, patterns, edit):
    """<name>.pyi: the type stub of an extension, from the module itself.

    `patterns` says what the module cannot say; the program `edit` then rewrites the file that it is given.
    """
    _stub(
        name = name,
        edit = edit,
        extension = extension,
        out = name + ".pyi",
        patterns = patterns,
        python = PYTHON,
        tags = _TAGS,
        target_compatible_with = PYTHON_COMPATIBLE_WITH,
    )

PackageDirInfo = provider(doc = "A directory to put on sys.path.", fields = {"path": "its path in the runfiles"})

def _package_dir_impl(ctx):
    out = []
    for f in ctx.files.srcs:
        path = f.short_path[len(ctx.label.package) + 1:]
        link = ctx.actions.declare_file(ctx.label.name + "/" + path)
        ctx.actions.symlink(output = link, target_file = f)
        out.append(link)
    for target, path in ctx.attr.files.items():
        link = ctx.actions.declare_file(ctx.label.name + "/" + path)
        ctx.actions.symlink(output = link, target_file = target[DefaultInfo].files.to_list()[0])
        out.append(link)
    for f in ctx.files.extensions:
        # The suffix of this interpreter, so that no other one loads it.
        path = ctx.attr.package + "/" + f.basename[:-len(".so")] + ctx.attr.suffix
        link = ctx.actions.declare_file(ctx.label.name + "/" + path)
        ctx.actions.symlink(output = link, target_file = f)
        out.append(link)
    return [
        DefaultInfo(files = depset(out), runfiles = ctx.runfiles(files = out)),
        PackageDirInfo(path = ctx.label.package + "/" + ctx.label.name),
    ]

_package_dir = rule(
    implementation = _package_dir_impl,
    attrs = {
        "extensions": attr.label_list(allow_files = [".so"]),
        "files": attr.label_keyed_string_dict(allow_files = True),
        "package": attr.string(mandatory = True),
        "srcs": attr.label_list(allow_files = True),
        "suffix": attr.string(mandatory = True),
    },
)

def tenon_python_package(name, package, srcs, extensions, files = {}, **kwargs):
    """A directory `<name>` that holds the package as it is imported: its files, its extensions, and `files` {label: path}."""
    _package_dir(
        name = name,
        package = package,
        srcs = srcs,
        files = files,
        extensions = extensions,
        suffix = PYTHON_EXTENSION_SUFFIX,
        tags = _TAGS,
        target_compatible_with = PYTHON_COMPATIBLE_WITH,
        **kwargs
    )

def _python_test_impl(ctx):
    launcher = ctx.actions.declare_file(ctx.label.name)
    package = ctx.attr.package[PackageDirInfo].path

    # A test starts in its runfiles directory, in which short_path names the file.
    ctx.actions.write(
        launcher,
        "\n".join([
            "#!/bin/sh",
            "export PYTHONDONTWRITEBYTECODE=1",
            'export PYTHONPATH="$PWD/%s:$PWD"' % package,
            'exec "%s" "$PWD/%s" "$@"' % (ctx.attr.python, ctx.file.main.short_path),
        ]) + "\n",
        is_executable = True,
    )
    runfiles = ctx.runfiles(files = [ctx.file.main] + ctx.files.srcs + ctx.files.data)
    for d in ctx.attr.data + [ctx.attr.package]:
        runfiles = runfiles.merge(d[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

_python_test = rule(
    implementation = _python_test_impl,
    attrs = {
        "data": attr.label_list(allow_files = True),
        "main": attr.label(allow_single_file = [".py"], mandatory = True),
        "package": attr.label(providers = [PackageDirInfo], mandatory = True),
        "python": attr.string(mandatory = True),
        "srcs": attr.label_list(allow_files = [".py"]),
    },
    test = True,
)

def tenon_python_test(
        name,
        main = None,
        tags = [],
        size = "small",
        package = Label("//interop/python:package"),
        target_compatible_with = [],
        **kwargs):
    """A unittest file, run by the interpreter that the module is built for, with the module on its path."""
    _python_test(
        name = name,
        main = main or name + ".py",
        package = package,
        python = PYTHON,
        size = size,
        tags = tags + _TAGS,
        target_compatible_with = PYTHON_COMPATIBLE_WITH + target_compatible_with,
        **kwargs
    )
