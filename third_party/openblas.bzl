"""@openblas: the single-threaded flavour of OpenBLAS, linked statically (libopenblas-serial-dev).

Why this flavour: the CPU backend splits a matmul into tiles on its own pool and calls the BLAS once per
tile from many threads. The pthread flavour starts its threads when it is loaded, the OpenMP one drags
libgomp in, whose children can hang after a fork; the serial one has no thread at all, and Debian builds
it with the locks that concurrent callers need (USE_LOCKING=1). Why statically: a plug-in carries its
BLAS hidden inside and can meet no other BLAS in the process (NumPy's, for one).

The archive is compiled by its own Makefile when first used, which takes some minutes.
"""

load(":system.bzl", "dependency_rule", "download", "find_header", "find_library", "use_system", "write_build")

_BUILD = """
cc_import(
    name = "archive",
    static_library = "lib/libopenblas.a",
)

cc_library(
    name = "openblas",
    hdrs = ["_include/cblas.h", "_include/openblas_config.h"],
    includes = ["_include"],
    linkopts = ["-lm"],
    deps = [":archive"],
)
"""

_MAKE = [
    "make",
    "libs",
    "USE_THREAD=0",
    "USE_LOCKING=1",
    "USE_OPENMP=0",
    "DYNAMIC_ARCH=1",
    "TARGET=GENERIC",  # what is not chosen at run time; else this machine's
    "NO_LAPACK=1",
    "NO_LAPACKE=1",
    "NOFORTRAN=1",
    "NO_SHARED=1",
    "NO_AFFINITY=1",
]

def _subdirectories(rctx, find, file):
    """Debian: /usr/{lib,include}/<multiarch>/openblas-serial."""
    for d in ["openblas-serial/", ""]:
        found = find(rctx, d + file)
        if found:
            return found + "/" + d.rstrip("/") if d else found
    return None

def _impl(rctx):
    include = _subdirectories(rctx, find_header, "openblas_config.h")
    library = find_library(rctx, "openblas-serial/libopenblas.a")
    if use_system(rctx, include and library, "libopenblas-serial-dev"):
        rctx.symlink(library + "/openblas-serial/libopenblas.a", "lib/libopenblas.a")
        for h in ["cblas.h", "openblas_config.h"]:
            rctx.symlink(include + "/" + h, "_include/" + h)
    else:
        download(rctx)
        rctx.report_progress("Compiling OpenBLAS (some minutes)")
        for command in [_MAKE, _MAKE[:1] + ["install", "PREFIX=" + str(rctx.path("installed"))] + _MAKE[2:]]:
            r = rctx.execute(command, timeout = 3600)
            if r.return_code != 0:
                fail("OpenBLAS did not compile: " + r.stderr[-2000:])
        rctx.symlink("installed/lib/libopenblas.a", "lib/libopenblas.a")
        for h in ["cblas.h", "openblas_config.h"]:
            rctx.symlink("installed/include/" + h, "_include/" + h)
    write_build(rctx, "openblas.bzl", _BUILD)

openblas_repository = dependency_rule(_impl)
