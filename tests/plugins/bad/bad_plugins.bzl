"""Plug-ins with one defect each. They do without tenon_backend_library, which prevents some of the defects."""

load("@rules_cc//cc:cc_binary.bzl", "cc_binary")
load("//build_defs:cc.bzl", "TENON_COPTS")

def bad_plugins(defects):
    """libtenon_backend_<defect>.so from bad.c, for each key of `defects`; the values are more copts."""
    for defect, copts in defects.items():
        cc_binary(
            name = "libtenon_backend_%s.so" % defect,
            testonly = True,
            srcs = ["bad.c"],
            copts = TENON_COPTS + [
                "-fvisibility=hidden",
                "-Wno-unused-function",
                '-DDEFECT=\\"%s\\"' % defect,
            ] + copts,
            linkopts = ["-Wl,-z,now"],
            linkshared = True,
            deps = [
                "//core/abi:kit",
                "//tests/plugins/mini:mini_text",
            ],
        )
