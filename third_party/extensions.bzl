"""Bzlmod: the repositories that describe this machine (MODULE.bazel names the rest)."""

load(":repositories.bzl", "MACHINE")
load(":versions.bzl", "PINS")

def _impl(_mctx):
    for name, rule in MACHINE.items():
        rule(name = name, **PINS.get(name, {}))

tenon_machine = module_extension(implementation = _impl)
