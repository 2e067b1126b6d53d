"""@libzip: libzip-dev or the pinned archive (deflate only, no encryption: what .npz needs)."""

load(":system.bzl", "dependency_rule", "download", "find_header", "use_system", "write_build")

_SYSTEM = """
cc_library(
    name = "libzip",
    hdrs = ["_include/zip.h", "_include/zipconf.h"],
    includes = ["_include"],
    linkopts = ["-lzip"],
)
"""

_ARCHIVE = """
cc_library(
    name = "libzip",
    srcs = ["generated/config.h", "generated/zip_err_str.c"] + glob(
        ["lib/*.c", "lib/*.h"],
        exclude = [
            "lib/zip.h",
            "lib/zip_algorithm_bzip2.c",
            "lib/zip_algorithm_xz.c",
            "lib/zip_algorithm_zstd.c",
            "lib/zip_crypto*",
            "lib/zip_random_uwp.c",
            "lib/zip_random_win32.c",
            "lib/zip_source_file_win32*",
            "lib/zip_source_winzip_aes*",
            "lib/zip_winzip_aes.c",
        ],
    ),
    hdrs = ["generated/zipconf.h", "lib/zip.h"],
    copts = ["-w"],
    includes = ["generated", "lib"],
    local_defines = ["HAVE_CONFIG_H"],
    deps = ["@zlib//:zlib"],
)
"""

# What libzip's own CMake would find on any Linux.
_CONFIG = """#pragma once
#include "zipconf.h"
#define ENABLE_FDOPEN
#define HAVE_DIRENT_H
#define HAVE_FCHMOD
#define HAVE_FILENO
#define HAVE_FSEEKO
#define HAVE_FTELLO
#define HAVE_LOCALTIME_R
#define HAVE_MKSTEMP
#define HAVE_SNPRINTF
#define HAVE_STDBOOL_H
#define HAVE_STRCASECMP
#define HAVE_STRDUP
#define HAVE_STRINGS_H
#define HAVE_STRTOLL
#define HAVE_STRTOULL
#define HAVE_STRUCT_TM_TM_ZONE
#define HAVE_UNISTD_H
#define SIZEOF_OFF_T 8
#define SIZEOF_SIZE_T 8
#define PACKAGE "libzip"
#define VERSION "%s"
"""

_INTEGERS = "\n".join([
    """typedef {u}int{n}_t zip_{u}int{n}_t;""".format(u = u, n = n)
    for n in [8, 16, 32, 64]
    for u in ["", "u"]
] + [
    "#define ZIP_INT{n}_MIN INT{n}_MIN\n#define ZIP_INT{n}_MAX INT{n}_MAX\n#define ZIP_UINT{n}_MAX UINT{n}_MAX".format(n = n)
    for n in [8, 16, 32, 64]
])

_ZIPCONF = """#pragma once
#include <inttypes.h>
#include <stdint.h>
#define ZIP_STATIC
#define LIBZIP_VERSION "{version}"
#define LIBZIP_VERSION_MAJOR {major}
#define LIBZIP_VERSION_MINOR {minor}
#define LIBZIP_VERSION_MICRO {micro}
#ifndef __clang__
#define _Nonnull
#define _Nullable
#endif
"""

def _error_table(text, prefix):
    """Rows from lines such as: #define ZIP_ER_RENAME 2 /* S Renaming temporary file failed */"""
    rows = []
    for line in text.split("\n"):
        if line.startswith("#define " + prefix) and "/*" in line:
            number = line.split("/*")[0].strip().split(" ")[-1]
            comment = line.split("/*")[1].split("*/")[0].strip()
            if number.isdigit() and comment[1:2] == " ":
                rows.append("    {%s, \"%s\"}," % (comment[0], comment[2:].strip()))
    return "\n".join(rows)

_ERRORS = """#include "zipint.h"
#define L ZIP_ET_LIBZIP
#define N ZIP_ET_NONE
#define S ZIP_ET_SYS
#define Z ZIP_ET_ZLIB
#define E ZIP_DETAIL_ET_ENTRY
#define G ZIP_DETAIL_ET_GLOBAL
const struct _zip_err_info _zip_err_str[] = {
%s
};
const int _zip_err_str_count = sizeof(_zip_err_str) / sizeof(_zip_err_str[0]);
const struct _zip_err_info _zip_err_details[] = {
%s
};
const int _zip_err_details_count = sizeof(_zip_err_details) / sizeof(_zip_err_details[0]);
"""

def _impl(rctx):
    include = find_header(rctx, "zip.h")
    if use_system(rctx, include, "libzip-dev"):
        rctx.symlink(include + "/zip.h", "_include/zip.h")
        rctx.symlink(find_header(rctx, "zipconf.h") + "/zipconf.h", "_include/zipconf.h")
        write_build(rctx, "libzip.bzl", _SYSTEM)
        return
    download(rctx)
    version = rctx.attr.strip_prefix.split("-")[-1]
    major, minor, micro = version.split(".")
    rctx.file("generated/config.h", _CONFIG % version)
    rctx.file("generated/zipconf.h", _ZIPCONF.format(
        version = version,
        major = major,
        minor = minor,
        micro = micro,
    ) + _INTEGERS + "\n")
    rctx.file("generated/zip_err_str.c", _ERRORS % (
        _error_table(rctx.read("lib/zip.h"), "ZIP_ER_"),
        _error_table(rctx.read("lib/zipint.h"), "ZIP_ER_DETAIL_"),
    ))
    write_build(rctx, "libzip.bzl", _ARCHIVE)

libzip_repository = dependency_rule(_impl)
