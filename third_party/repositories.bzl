"""Tenon's dependencies in WORKSPACE mode. A consumer's WORKSPACE calls tenon_repositories() too.

A dependency that the consumer has defined before under the same name is left alone.
"""

load(":absl.bzl", "absl_repository")
load(":bazel_wants.bzl", "bazel_wants")
load(":benchmark.bzl", "benchmark_repository")
load(":cuda.bzl", "cuda_repository")
load(":googletest.bzl", "googletest_repository")
load(":highway.bzl", "highway_repository")
load(":libzip.bzl", "libzip_repository")
load(":python.bzl", "python_repository")
load(":rules_cc.bzl", "rules_cc_repository")
load(":versions.bzl", "PINS")
load(":zlib.bzl", "zlib_repository")

# Taken from the machine in Bzlmod mode too (extensions.bzl).
MACHINE = {
    "libzip": libzip_repository,
    "local_config_cuda": cuda_repository,
    "local_config_python": python_repository,
    "zlib": zlib_repository,
}

_ALL = dict(
    MACHINE,
    com_github_google_benchmark = benchmark_repository,
    com_google_absl = absl_repository,
    com_google_googletest = googletest_repository,
    com_google_highway = highway_repository,
    rules_cc = rules_cc_repository,
)

def tenon_repositories():
    bazel_wants()
    for name, rule in _ALL.items():
        if not native.existing_rule(name):
            rule(name = name, **PINS.get(name, {}))
