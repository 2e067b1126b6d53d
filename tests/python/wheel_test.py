"""The wheel: its contents, its RECORD, and that pip installs it into an empty environment in which it works."""
import base64
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = os.getcwd()
SCRIPT = """
import tenon
t = tenon.tensor([1., 2., 3.], requires_grad=True)
(t * t).sum().backward()
assert t.grad.tolist() == [2, 4, 6]
tenon.save("a.npz", {"t": t.detach()})
assert tenon.load("a.npz")["t"].tolist() == [1, 2, 3]
try:
  tenon.tensor([1.])[5]
except IndexError as e:
  assert "out of" in str(e), e
assert open(tenon.get_include() + "/tenon/abi/tenon_backend.h").read().strip()
print("works", tenon.__version__)
"""


class WheelTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.directory = tempfile.TemporaryDirectory()
    out = cls.directory.name
    subprocess.run([sys.executable, "interop/python/make_wheel.py", "--package", "interop/python/package", "--license", "LICENSE", "--out", out], check=True, cwd=ROOT)
    cls.wheel, = [os.path.join(out, f) for f in os.listdir(out) if f.endswith(".whl")]

  @classmethod
  def tearDownClass(cls):
    cls.directory.cleanup()

  def test_name_says_what_it_needs(self):
    python = "cp%d%d" % sys.version_info[:2]
    self.assertRegex(os.path.basename(self.wheel), r"^tenon-[0-9.]+-%s-%st?-manylinux_2_\d+_\w+\.whl$" % (python, python))

  def test_contents_and_record(self):
    with zipfile.ZipFile(self.wheel) as w:
      names = w.namelist()
      self.assertEqual(len(names), len(set(names)))
      for part in ["tenon/__init__.py", "tenon/nn.py", "tenon/py.typed", "tenon/_tenon.pyi", "tenon/include/tenon/abi/tenon_backend.h"]:
        self.assertIn(part, names)
      self.assertTrue(any(re.match(r"tenon/_tenon\..*\.so$", n) for n in names))
      record = [n for n in names if n.endswith(".dist-info/RECORD")][0]
      listed = {}
      for line in w.read(record).decode().splitlines():
        name, digest, size = line.rsplit(",", 2)
        listed[name] = (digest, size)
      self.assertEqual(set(listed), set(names))
      for name in names:
        if name != record:
          data = w.read(name)
          digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
          self.assertEqual(listed[name], ("sha256=" + digest, str(len(data))))
      self.assertTrue(any(n.endswith(".dist-info/LICENSE") for n in names))

  def test_needs_nothing_but_itself_and_the_c_runtime(self):
    with zipfile.ZipFile(self.wheel) as w, tempfile.TemporaryDirectory() as directory:
      libraries = {os.path.basename(n): n for n in w.namelist() if re.search(r"\.so(\.|$)", n)}
      for name in libraries.values():
        w.extract(name, directory)
        dynamic = subprocess.run(["readelf", "-d", "-W", os.path.join(directory, name)], stdout=subprocess.PIPE, check=True).stdout.decode()
        for needed in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
          # The C++ runtime is the extension's own: the system's may be older than the compiler's.
          self.assertTrue(needed in libraries or re.match(r"(libc|libm|libgcc_s|ld-linux-[\w-]+|libpthread|libdl)\.so", needed), (name, needed))
      self.assertNotIn("libhwy.so.1", libraries)

  def test_size(self):
    self.assertLess(os.path.getsize(self.wheel), 15_000_000)

  def test_installs_and_works(self):
    with tempfile.TemporaryDirectory() as directory:
      venv = os.path.join(directory, "venv")
      subprocess.run([sys.executable, "-m", "venv", venv], check=True)
      python = os.path.join(venv, "bin", "python")
      # The tests run offline: NumPy is the test interpreter's own, seen through a path file.
      subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", self.wheel], check=True,
                     env=dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1"))
      environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "LD_LIBRARY_PATH")}
      done = subprocess.run([python, "-I", "-c", SCRIPT], stdout=subprocess.PIPE, cwd=directory, env=environment, check=True)
      self.assertIn(b"works", done.stdout)
      # Every library it loads beyond the C and C++ runtime is its own.
      code = "import tenon; print(*{l.split()[-1] for l in open('/proc/self/maps') if '.so' in l}, sep='\\n')"
      loaded = subprocess.run([python, "-I", "-c", code], stdout=subprocess.PIPE, cwd=directory, env=environment, check=True).stdout.decode().split()
      for path in loaded:
        if not path.startswith((venv, sys.base_prefix, os.path.realpath(venv))):
          # (libstdc++: NumPy's.)
          self.assertRegex(os.path.basename(path), r"^(ld-linux|libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|libutil|libz|libffi|libpython|libexpat)[-.]")


if __name__ == "__main__":
  unittest.main()
