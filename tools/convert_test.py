"""Proves what the convert program promises: every element arrives, names and dtypes stay, what a format cannot hold is
refused with the way out and leaves the old file, the last line tells the truth, a bar only on a terminal.

Argument: the program. The files are written and read here by hand from the formats' specifications; where NumPy is
installed, its own reader and writer take part as well."""

import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile

try:
  import numpy as np
except ImportError:
  np = None
try:
  import safetensors.numpy
except ImportError:
  safetensors_numpy = None
else:
  safetensors_numpy = safetensors.numpy

PROGRAM = os.path.abspath(sys.argv[1])
FLOATS = struct.pack("<6f", 0, 1, 2, 3, 4.5, -1)
BF16 = struct.pack("<3H", 0x3F80, 0xC000, 0x7FC0)  # 1, -2, nan


def npy(descr, shape, data):
  header = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, tuple(shape))
  header += " " * (-(len(header) + 11) % 64) + "\n"
  return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def crafted(tensors, metadata=None):
  header, data = {}, b""
  if metadata:
    header["__metadata__"] = metadata
  for name, dtype, shape, content in tensors:
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
    data += content
  text = json.dumps(header).encode()
  text += b" " * (-len(text) % 8)
  return struct.pack("<Q", len(text)) + text + data


def read_npy(content):
  assert content[:8] == b"\x93NUMPY\x01\x00", content[:8]
  length, = struct.unpack("<H", content[8:10])
  header = eval(content[10:10 + length], {"__builtins__": {}})  # our own output
  assert not header["fortran_order"]
  return header["descr"], header["shape"], content[10 + length:]


def read_safetensors(path):
  with open(path, "rb") as f:
    content = f.read()
  length, = struct.unpack("<Q", content[:8])
  assert length % 8 == 0 and content[8:9] == b"{"
  header = json.loads(content[8:8 + length])
  data = content[8 + length:]
  metadata = header.pop("__metadata__", {})
  return {n: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for n, t in header.items()}, metadata


class ConvertTest(unittest.TestCase):

  def setUp(self):
    self.folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
    self.addCleanup(self.folder.cleanup)

  def path(self, name):
    return os.path.join(self.folder.name, name)

  def write(self, name, content):
    with open(self.path(name), "wb") as f:
      f.write(content)
    return self.path(name)

  def read(self, name):
    with open(self.path(name), "rb") as f:
      return f.read()

  def convert(self, *arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)

  def converts(self, *arguments):
    done = self.convert(*arguments)
    self.assertEqual((done.returncode, done.stderr), (0, ""))
    self.assertNotIn("\r", done.stdout)
    return done.stdout.splitlines()

  def refused(self, *arguments):
    done = self.convert(*arguments)
    self.assertEqual((done.returncode, done.stdout), (1, ""))
    return done.stderr

  def two(self):
    return self.write("two.safetensors", crafted([("w", "F32", [2, 3], FLOATS), ("b", "BF16", [3], BF16)],
                                                     {"format": "pt"}))

  def test_list_reads_headers_only(self):
    lines = self.converts("--list", self.two())
    self.assertRegex(lines[2], r"^w +float32 +\[2, 3\] +24$")
    self.assertRegex(lines[3], r"^b +bfloat16 +\[3\] +6$")
    self.assertEqual(lines[4:], ["metadata format: pt", self.path("two.safetensors") + ": 2 arrays, 30 bytes of data"])
    self.assertEqual(sorted(os.listdir(self.folder.name)), ["two.safetensors"])

  def test_every_pair_of_formats(self):
    source = {
        ".npy": self.write("in.npy", npy("<f4", (2, 3), FLOATS)),
        ".safetensors": self.write("in.safetensors", crafted([("in", "F32", [2, 3], FLOATS)])),
        ".npz": self.path("in.npz"),
    }
    with zipfile.ZipFile(source[".npz"], "w") as z:
      z.writestr("in.npy", npy("<f4", (2, 3), FLOATS))
    for path in source.values():
      for to in source:
        out = self.path("out" + to)
        line = self.converts(path, out)[-1]
        self.assertRegex(line, r"^wrote %s: 1 array, 24 bytes of data, %d in the file, \d+\.\d\d s$" %
                         (re.escape(out), os.path.getsize(out)))
        if to == ".npy":
          self.assertEqual(read_npy(self.read("out.npy")), ("<f4", (2, 3), FLOATS))
        elif to == ".npz":
          with zipfile.ZipFile(out) as z:
            self.assertEqual((z.namelist(), z.testzip()), (["in.npy"], None))
            self.assertEqual(read_npy(z.read("in.npy")), ("<f4", (2, 3), FLOATS))
        else:
          self.assertEqual(read_safetensors(out), ({"in": ("F32", [2, 3], FLOATS)}, {}))

  def test_bits_that_numpy_files_cannot_hold(self):
    two = self.two()
    self.assertIn("'b' is bfloat16, which NumPy files cannot hold: --view-as bits", self.refused(two, self.path("o.npz")))
    lines = self.converts(two, self.path("o.npz"), "--view-as", "u2")
    self.assertIn("; the metadata (1 entries) has no place there", lines[-1])
    with zipfile.ZipFile(self.path("o.npz")) as z:
      self.assertEqual(read_npy(z.read("b.npy")), ("<u2", (3,), BF16))
      self.assertEqual(read_npy(z.read("w.npy")), ("<f4", (2, 3), FLOATS))
    self.converts(self.path("o.npz"), self.path("back.safetensors"), "--view-as", "bfloat16")
    self.assertEqual(read_safetensors(self.path("back.safetensors"))[0]["b"], ("BF16", [3], BF16))
    void = self.write("void.npy", npy("|V2", (3,), BF16))
    self.assertIn("void_as", self.refused(void, self.path("v.safetensors")))
    self.converts(void, self.path("v.safetensors"), "--void-as", "bfloat16")
    self.assertEqual(read_safetensors(self.path("v.safetensors"))[0]["void"], ("BF16", [3], BF16))
    float8 = self.write("f8.safetensors", crafted([("f", "F8_E5M2", [2], b"\x3c\xbc")]))
    self.converts(float8, self.path("again.safetensors"))
    self.assertEqual(read_safetensors(self.path("again.safetensors"))[0]["f"], ("F8_E5M2", [2], b"\x3c\xbc"))
    self.assertIn("--view-as bits", self.refused(float8, self.path("f.npy")))
    self.converts(float8, self.path("f.npy"), "--view-as", "u1")
    self.assertEqual(read_npy(self.read("f.npy")), ("|u1", (2,), b"\x3c\xbc"))
    mixed = self.write("mixed.safetensors", crafted([("b", "BF16", [3], BF16), ("f", "F8_E5M2", [2], b"\x3c\xbc"), ("s", "F8_E8M0", [2], b"\x7f\x80")]))
    for one_width in ["u1", "u2"]:
      self.assertIn("--view-as bits", self.refused(mixed, self.path("m.npz"), "--view-as", one_width))
    self.converts(mixed, self.path("m.npz"), "--view-as", "bits")
    with zipfile.ZipFile(self.path("m.npz")) as z:
      self.assertEqual({n: read_npy(z.read(n)) for n in z.namelist()},
                       {"b.npy": ("<u2", (3,), BF16), "f.npy": ("|u1", (2,), b"\x3c\xbc"), "s.npy": ("|u1", (2,), b"\x7f\x80")})
    self.converts(self.path("f.npy"), self.path("back.safetensors"), "--view-as", "float8_e5m2")
    self.assertEqual(read_safetensors(self.path("back.safetensors"))[0]["f"], ("F8_E5M2", [2], b"\x3c\xbc"))
    self.converts(float8, self.path("f32.npy"), "--dtype", "float32")
    self.assertEqual(read_npy(self.read("f32.npy")), ("<f4", (2,), struct.pack("<2f", 1, -1)))
    by_numpy = self.write("f1.npy", npy("<f1", (2,), b"\x3c\xbc"))
    self.assertIn("void_as", self.refused(by_numpy, self.path("v.safetensors")))
    self.converts(by_numpy, self.path("v.safetensors"), "--void-as", "float8_e5m2")
    self.assertEqual(read_safetensors(self.path("v.safetensors"))[0]["f1"], ("F8_E5M2", [2], b"\x3c\xbc"))
    scales = self.write("e8.safetensors", crafted([("s", "F8_E8M0", [2], b"\x7f\x80")]))
    self.converts(scales, self.path("again.safetensors"))
    self.assertEqual(read_safetensors(self.path("again.safetensors"))[0]["s"], ("F8_E8M0", [2], b"\x7f\x80"))
    self.assertIn("--view-as bits", self.refused(scales, self.path("s.npy")))
    self.assertIn("cannot compute with", self.refused(scales, self.path("s.npy"), "--dtype", "float32"))

  def test_names_and_dtypes(self):
    two = self.two()
    self.assertIn("a .npy file holds one array, not 2: choose one with --name", self.refused(two, self.path("w.npy")))
    self.assertIn("there is no array 'x'; the file has w, b", self.refused(two, self.path("w.npy"), "--name", "x"))
    self.converts(two, self.path("w.npy"), "--name", "w", "--dtype", "float64")
    self.assertEqual(read_npy(self.read("w.npy")), ("<f8", (2, 3), struct.pack("<6d", 0, 1, 2, 3, 4.5, -1)))
    self.converts(self.path("w.npy"), self.path("n.safetensors"), "--name", "weights")
    self.assertEqual(list(read_safetensors(self.path("n.safetensors"))[0]), ["weights"])
    self.assertIn("convert with astype()", self.refused(self.path("w.npy"), self.path("i.npy"), "--dtype", "int32"))
    self.assertIn("there is no such dtype", self.refused(self.path("w.npy"), self.path("i.npy"), "--dtype", "float31"))
    large = self.write("large.npy", npy("<i8", (1,), struct.pack("<q", 300)))
    self.assertIn("without overflow: 300", self.refused(large, self.path("i.npy"), "--dtype", "uint8"))

  def test_a_failure_leaves_the_old_file(self):
    two = self.two()
    self.write("o.npz", b"old")
    self.refused(two, self.path("o.npz"))
    self.assertEqual(self.read("o.npz"), b"old")
    self.assertIn("has none of the extensions", self.refused(two, self.path("o.txt")))
    self.assertIn("--compress is for .npz files", self.refused(two, self.path("o.safetensors"), "--compress"))
    self.assertIn("cannot open", self.refused(self.path("none.npy"), self.path("o.npy")))
    self.assertEqual(sorted(os.listdir(self.folder.name)), ["o.npz", "two.safetensors"])
    self.converts(two, two)  # onto itself
    self.assertEqual(read_safetensors(two)[1], {"format": "pt"})

  def test_wrong_arguments(self):
    for arguments, message in (([], "IN is missing"), (["a.npy"], "OUT is missing"),
                               (["a.npy", "b.npy", "--list"], "--list takes no OUT"),
                               (["a.npy", "b.npy", "c"], "one argument too many: 'c'")):
      done = self.convert(*arguments)
      self.assertEqual(done.returncode, 2, arguments)
      self.assertIn(message, done.stderr)

  def test_a_bar_on_a_terminal_only(self):
    big = self.write("big.npy", npy("|u1", (80 << 20,), os.urandom(1 << 20) * 80))
    main, side = pty.openpty()
    process = subprocess.Popen([PROGRAM, big, self.path("big.npz"), "--compress"], stdout=side)
    os.close(side)
    shown = b""
    while True:
      try:
        piece = os.read(main, 65536)
      except OSError:  # the other end is closed
        break
      if not piece:
        break
      shown += piece
    os.close(main)
    self.assertEqual(process.wait(), 0)
    self.assertIn(b"writing big.npz [=", shown)
    self.assertIn(b" of 83,886,080 bytes", shown)
    self.assertRegex(shown.decode().splitlines()[-1], "wrote .*big.npz: 1 array, 83,886,080 bytes of data")

  @unittest.skipIf(np is None, "NumPy is not installed")
  def test_numpy_reads_and_writes_the_same(self):
    arrays = {
        "c": np.arange(6, dtype="f4").reshape(2, 3),
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big_endian": np.arange(3, dtype=">i8"),
        "flag": np.array([True, False]),
        "scalar": np.float16(1.5),
        "empty": np.zeros((0, 4), "u2"),
        "complex": np.array([1 + 2j], "c8"),
    }
    for save in (np.savez, np.savez_compressed):
      save(self.path("a.npz"), **arrays)
      self.converts(self.path("a.npz"), self.path("b.safetensors"))
      self.converts(self.path("b.safetensors"), self.path("c.npz"), "--compress")
      with np.load(self.path("c.npz")) as got:
        self.assertEqual(set(got), set(arrays))
        for name, a in arrays.items():
          self.assertEqual(got[name].dtype, a.dtype.newbyteorder("="))
          self.assertEqual(got[name].shape, a.shape)
          self.assertEqual(got[name].tolist(), a.tolist())

  @unittest.skipIf(safetensors_numpy is None, "safetensors is not installed")
  def test_the_reference_reads_and_writes_the_same(self):
    arrays = {}
    for dtype in "?bBhHiIqQefdF":
      for i, shape in enumerate([(), (0,), (3,), (2, 3), (5, 0, 2)]):
        arrays['%s %d \u00e9"\\' % (dtype, i)] = np.asarray(np.arange(30)[:int(np.prod(shape))].reshape(shape), dtype)
    safetensors_numpy.save_file(arrays, self.path("a.safetensors"), {"k": "v\n"})
    self.converts(self.path("a.safetensors"), self.path("b.safetensors"))
    self.assertEqual(read_safetensors(self.path("b.safetensors"))[1], {"k": "v\n"})
    back = safetensors_numpy.load_file(self.path("b.safetensors"))
    self.assertEqual(set(back), set(arrays))
    for name, a in arrays.items():
      self.assertEqual((back[name].dtype, back[name].shape, back[name].tobytes()), (a.dtype, a.shape, a.tobytes()))


if __name__ == "__main__":
  unittest.main(argv=sys.argv[:1])
