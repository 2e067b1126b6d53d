"""tenon_fuzz_test: LLVMFuzzerTestOneInput as a test, with and without libFuzzer."""

load("@rules_cc//cc:cc_test.bzl", "cc_test")
load(":cc.bzl", "own_copts")

# As text: the select() of Bazel 4 takes no Label, neither for a key nor in a value.
_LIBFUZZER = str(Label("//build_defs:libfuzzer"))
_MAIN = str(Label("//build_defs:fuzz_main.cc"))

def tenon_fuzz_test(name, srcs, deps = [], corpus = None, seconds = 60, copts = [], tags = [], **kwargs):
    """Fuzzes for some seconds, starting from a corpus.

    With --config=fuzz (clang) a libFuzzer program; otherwise //build_defs:fuzz_main.cc replays the corpus and
    mutates it blindly. `bazel run --config=fuzz //pkg:name -- -help=1` gives all of libFuzzer's options.

    Args:
      name: of the test.
      srcs: define extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size).
      deps: libraries under test.
      corpus: directory in this package with seed files (at least one file).
      seconds: how long to go on.
      copts: extra flags.
      tags: extra tags; "fuzz" is added.
      **kwargs: of cc_test.
    """
    files = native.glob([corpus + "/**"]) if corpus else []
    directory = ["/".join([p for p in [native.package_name(), corpus] if p])] if corpus else []
    cc_test(
        name = name,
        size = "medium",
        srcs = srcs + select({
            _LIBFUZZER: [],
            "//conditions:default": [_MAIN],
        }),
        args = select({
            _LIBFUZZER: ["-max_total_time=%d" % seconds, "-print_final_stats=1"],
            "//conditions:default": ["--seconds=%d" % seconds],
        }) + directory,
        copts = own_copts(srcs) + copts,
        data = files,
        deps = deps,
        linkopts = select({
            _LIBFUZZER: ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        linkstatic = True,
        tags = tags + ["fuzz"],
        **kwargs
    )
