"""Tenon's .npy and .npz files against NumPy's own reader and writer, both ways.

  python3 npy_roundtrip.py PROGRAM

PROGRAM is //tests/peers:npy_copy: it reads IN with Tenon and writes OUT. Needs NumPy; exits 0 with
"skipped" where there is none.
"""

import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: NumPy is not installed")
    sys.exit(0)

DTYPES = "?bBhHiIqQefdFD"
SHAPES = [(), (0,), (1,), (5,), (2, 3), (3, 0, 2), (2, 3, 4), (1,) * 20]


def run(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True)


def arrays():
    random = np.random.default_rng(1)
    for letter in DTYPES:
        for shape in SHAPES:
            a = (random.random(shape) * 100).astype(letter)
            yield a
            yield np.asfortranarray(a)
            yield a.astype(a.dtype.newbyteorder(">"))


def same(a, b):
    dtypes = a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=")
    return dtypes and a.shape == b.shape and np.array_equal(a, b)


def main():
    program = os.path.abspath(sys.argv[1])
    passed = 0
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "in"), os.path.join(folder, "out")
        everything = {}
        for i, a in enumerate(arrays()):
            np.save(source + ".npy", a)
            everything["name %d" % i] = a
            for mode in ["read", "map"]:
                done = run(program, mode, source + ".npy", target + ".npy")
                assert done.returncode == 0, (a.dtype, a.shape, done.stderr)
                with open(target + ".npy", "rb") as f:
                    written = f.read()
                b = np.load(target + ".npy")
                assert same(a, b), (a.dtype, a.shape)
                if a.dtype.isnative:  # the very bytes of np.save; big-endian becomes little-endian
                    with open(source + ".npy", "rb") as f:
                        assert f.read() == written, (a.dtype, a.shape)
                passed += 1
        for save in [np.savez, np.savez_compressed]:
            save(source + ".npz", **everything)
            for mode in ["npz", "npz_compressed"] + (["npz_map"] if save is np.savez else []):
                done = run(program, mode, source + ".npz", target + ".npz")
                assert done.returncode == 0, done.stderr
                with np.load(target + ".npz") as back:
                    assert list(back.files) == list(everything)
                    for name, a in everything.items():
                        assert same(a, back[name]), name
                        passed += 1
        unreadable = [np.array([None]), np.array(["text"])]
        unreadable += [np.zeros(1, d) for d in ["M8[s]", [("x", "f4")], "V3", np.longdouble]]
        for bad in unreadable:
            np.save(source + ".npy", bad, allow_pickle=True)
            done = run(program, "read", source + ".npy", target + ".npy")
            assert done.returncode == 1 and "read_npy: " in done.stderr, (bad.dtype, done.stderr)
            print(done.stderr.strip())
            passed += 1
    print("%d passed with NumPy %s" % (passed, np.__version__))


main()
