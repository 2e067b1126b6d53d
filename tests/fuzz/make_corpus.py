"""Writes the seed files under corpus/: small files that reach the readers' interesting branches.

Run from this directory with NumPy installed; the files are checked in, so that tests need neither.
"""

import gzip
import io
import os
import struct
import zipfile

import numpy as np


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def header(text, data=b"", version=(1, 0)):
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text.encode() + data


def archive(members, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for name, content in members:
            z.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return out.getvalue()


a = np.arange(6, dtype="<f4").reshape(2, 3)
for name, content in {
    "c_order": npy(a),
    "fortran": npy(np.asfortranarray(a)),
    "big_endian": npy(a.astype(">f8")),
    "complex": npy(np.array([1 + 2j], ">c16")),
    "bool": npy(np.array([True, False])),
    "scalar": npy(np.int64(7)),
    "empty": npy(np.zeros((0, 3), "u1")),
    "structured": npy(np.zeros(1, [("x", "<f4"), ("y", "<i4")])),
    "text": npy(np.array(["ab"])),
    "void2": npy(np.zeros(2, "V2")),
    "date": npy(np.zeros(1, "M8[ns]")),
    "python2": header("{'descr': '<i2', 'fortran_order': False, 'shape': (2L, 1L), }", b"abcd"),
    "hex": header('{"shape": (0x2,), "descr": "h", "fortran_order": True}', b"abcd"),
    "version2": header("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", b"ab", (2, 0)),
    "version3": header("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", b"ab", (3, 0)),
    "overflow": header("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"),
    "negative": header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
    "twice": header("{'descr': '<f8', 'descr': '<f8', 'shape': (1,)}"),
    "object": header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\x80\x04."),
}.items():
    write("corpus/npy/" + name, content)

stored = archive([("a.npy", npy(a)), ("b.npy", npy(np.int64(1)))], zipfile.ZIP_STORED)
for name, content in {
    "stored": stored,
    "deflated": archive([("a.npy", npy(a)), ("x/b", npy(np.zeros(300)))], zipfile.ZIP_DEFLATED),
    "text": archive([("readme.txt", b"no array")], zipfile.ZIP_STORED),
    "bzip2": archive([("a.npy", npy(a))], zipfile.ZIP_BZIP2),
    "folder": archive([("d/", b""), ("d/a.npy", npy(a))], zipfile.ZIP_STORED),
    "empty": archive([], zipfile.ZIP_STORED),
    "prefixed": b"#!/bin/sh\n" + stored,
    "suffixed": stored + b"after",
}.items():
    write("corpus/npz/" + name, content)
savez = io.BytesIO()
np.savez(savez, a=a, b=np.zeros((0, 2)))
write("corpus/npz/savez", savez.getvalue())  # with NumPy's ZIP64 local headers

labels = struct.pack(">HBBI", 0, 8, 1, 4) + b"\0\1\2\3"
for name, content in {
    "labels": labels,
    "labels_gz": gzip.compress(labels, mtime=0),
    "images": struct.pack(">HBBIII", 0, 8, 3, 2, 2, 2) + bytes(range(8)),
    "int16": struct.pack(">HBBI", 0, 0x0B, 1, 2) + b"\0\1\2\3",
    "double": struct.pack(">HBBId", 0, 0x0E, 1, 1, 1.5),
    "huge": struct.pack(">HBBII", 0, 8, 2, 0xFFFFFFFF, 0xFFFFFFFF),
    "zeros_gz": gzip.compress(struct.pack(">HBBI", 0, 8, 1, 100000) + bytes(100000), mtime=0),
    "short_gz": gzip.compress(labels, mtime=0)[:-3],
}.items():
    write("corpus/idx/" + name, content)

for name, content in {
    "basic": b"[1, -2:, ::-3, None]",
    "ellipsis": b"..., 0",
    "integers": b"[[0, -1], :, [[1], [2]]]",
    "mask": b"[[True, False], [[True, True, False, True], [False, False, True, False]]]",
    "bool": b"[True, [1], False]",
    "separated": b"[[0, 1], :, [0, 3]]",
    "out_of_range": b"[[0, 7]]",
    "ragged": b"[[[1], [2, 3]]]",
    "deep": b"[" * 70,
}.items():
    write("corpus/index/" + name, content)


def safetensors(header, data=b"", pad=True):
    text = header.encode() + (b" " * (-len(header) % 8) if pad else b"")
    return struct.pack("<Q", len(text)) + text + data


one = '"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
for name, content in {
    "one": safetensors("{%s}" % one, bytes(8)),
    "metadata": safetensors('{"__metadata__":{"format":"pt","\\u00e9":"\\ud83d\\ude00"},%s}' % one, bytes(8)),
    "several": safetensors('{%s,"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]},'
                           '"c":{"dtype":"BOOL","shape":[],"data_offsets":[12,13]},'
                           '"d":{"dtype":"I64","shape":[0,3],"data_offsets":[13,13]}}' % one, bytes(13)),
    "float8": safetensors('{"f":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]}}', bytes(3)),
    "float4": safetensors('{"f":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}', bytes(2)),
    "twice": safetensors('{%s,"\\u0061":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' % one, bytes(8)),
    "overlap": safetensors('{%s,"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}' % one, bytes(8)),
    "gap": safetensors('{%s,"b":{"dtype":"U8","shape":[4],"data_offsets":[9,13]}}' % one, bytes(13)),
    "misaligned": safetensors('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
                              '"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}', bytes(5)),
    "overflow": safetensors('{"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
    "unpadded": safetensors("{%s}" % one, bytes(8), pad=False),
    "huge": struct.pack("<Q", 2**63) + b"{}",
    "empty": safetensors("{}"),
}.items():
    write("corpus/safetensors/" + name, content)


def dlpack(choices, ndim, dtype, offset, dims, device=0, tail=b""):
    """As dlpack_fuzz.cc reads it: choices, device id, rank, dtype, byte_offset, then size and stride per axis."""
    small = lambda n: struct.pack("Bb", 0, n)
    wide = lambda n: struct.pack("<Bq", 255, n)
    number = lambda n: small(n) if -128 <= n < 128 else wide(n)
    body = struct.pack("Bbb", choices, device, ndim) + dtype + number(offset)
    return body + b"".join(number(size) + number(stride) for size, stride in dims) + tail


float32 = bytes([11])
for name, content in {
    "matrix": dlpack(0, 2, float32, 0, [(2, 3), (3, 1)]),
    "reversed": dlpack(0, 2, float32, 20, [(2, -3), (3, -1)]),
    "no_strides": dlpack(16, 2, float32, 0, [(2, 0), (3, 0)]),
    "scalar": dlpack(8, 0, float32, 4, []),
    "misaligned": dlpack(0, 1, float32, 1, [(5, 1)]),
    "copy": dlpack(192, 1, bytes([8]), 0, [(5, 2)]),
    "no_copy": dlpack(64, 1, float32, 2, [(5, 2)]),
    "empty": dlpack(1, 2, float32, 0, [(0, 7), (3, 1)]),
    "float8": dlpack(4 | 32, 1, bytes([0, 12, 8, 1, 0]), 0, [(5, 1)]),
    "lanes": dlpack(4, 1, bytes([0, 2, 32, 4, 0]), 0, [(5, 1)]),
    "overflow": dlpack(0, 2, float32, 0, [(2**62, 1), (8, 1)]),
    "far": dlpack(0, 2, float32, 0, [(2, 2**62), (2, -(2**62))]),
    "rank": dlpack(0, 100, float32, 0, [(1, 1)] * 100),
    "negative": dlpack(0, 1, float32, 0, [(-1, 1)]),
    "pinned_read_only": dlpack(2, 1, float32, 0, [(4, 1)], tail=bytes([1, 3, 1])),
}.items():
    write("corpus/dlpack/" + name, content)
