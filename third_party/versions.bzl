"""Pinned archives: what is used where a library is not installed on the machine (WORKSPACE mode).

MODULE.bazel names the versions of the Bazel Central Registry. bazel_skylib 1.7.1 is the last release that
Bazel 4.2 can load.
"""

def _github(repo, file, sha256, strip_prefix = ""):
    return dict(
        urls = ["https://github.com/%s/%s" % (repo, file)],
        sha256 = sha256,
        strip_prefix = strip_prefix,
    )

PINS = {
    "bazel_skylib": dict(
        urls = ["https://github.com/bazelbuild/bazel-skylib/releases/download/1.7.1/bazel-skylib-1.7.1.tar.gz"],
        sha256 = "bc283cdfcd526a52c3201279cda4bc298652efa898b10b4db0837dc51652756f",
    ),
    "com_github_google_benchmark": _github(
        "google/benchmark",
        "archive/refs/tags/v1.9.4.tar.gz",
        "b334658edd35efcf06a99d9be21e4e93e092bd5f95074c1673d5c8705d95c104",
        "benchmark-1.9.4",
    ),
    "com_google_absl": _github(
        "abseil/abseil-cpp",
        "releases/download/20250814.1/abseil-cpp-20250814.1.tar.gz",
        "1692f77d1739bacf3f94337188b78583cf09bab7e420d2dc6c5605a4f86785a1",
        "abseil-cpp-20250814.1",
    ),
    "com_google_googletest": _github(
        "google/googletest",
        "releases/download/v1.17.0/googletest-1.17.0.tar.gz",
        "65fab701d9829d38cb77c14acdc431d2108bfdbf8979e40eb8ae567edf10b27c",
        "googletest-1.17.0",
    ),
    "com_google_highway": _github(
        "google/highway",
        "releases/download/1.3.0/highway-1.3.0.tar.gz",
        "e8d696900b45f4123be8a9d6866f4e7b6831bf599f4b9c178964d968e6a58a69",
        "highway-1.3.0",
    ),
    "libzip": _github(
        "nih-at/libzip",
        "releases/download/v1.10.1/libzip-1.10.1.tar.gz",
        "9669ae5dfe3ac5b3897536dc8466a874c8cf2c0e3b1fdd08d75b273884299363",
        "libzip-1.10.1",
    ),
    "platforms": dict(
        urls = ["https://github.com/bazelbuild/platforms/releases/download/0.0.11/platforms-0.0.11.tar.gz"],
        sha256 = "29742e87275809b5e598dc2f04d86960cc7a55b3067d97221c9abbc9926bff0f",
    ),
    "rules_license": dict(
        urls = ["https://github.com/bazelbuild/rules_license/releases/download/0.0.7/rules_license-0.0.7.tar.gz"],
        sha256 = "4531deccb913639c30e5c7512a054d5d875698daeb75d8cf90f284375fe7c360",
    ),
    "zlib": _github(
        "madler/zlib",
        "releases/download/v1.3.1/zlib-1.3.1.tar.gz",
        "9a93b2b7dfdac77ceba5a558a580e74667dd6fede4585b91eefb60f03b72df23",
        "zlib-1.3.1",
    ),
}
