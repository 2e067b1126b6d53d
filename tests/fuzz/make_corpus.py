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
