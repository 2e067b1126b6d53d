"""The type stubs, where mypy is installed: they fit a typed program (typing_sample.py), which runs, and the module itself."""
import importlib.util
import os
import re
import runpy
import subprocess
import sys
import unittest

import tenon

# What mypy.stubtest may say, and why. Each of them must occur, or it goes.
ALLOWED = [
    (r" is not a function$", "nanobind's functions have a type of their own, which tells inspect nothing; stub_test.py compares names"),
    (r" is a disjoint base at runtime", "a decorator of Python 3.15 for what inheriting from two such classes does"),
    (r" is inconsistent, metaclass differs$", "nanobind's metaclass"),
    (r"\.(HookHandle|Report)\.__init__ is inconsistent", "only the module makes them"),
]
if sys.version_info < (3, 12):
  ALLOWED.append((r"Tensor\.__buffer__ is not present at runtime$", "Python 3.12 and type checkers call the buffer protocol so"))

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "typing_sample.py")


class TypingTest(unittest.TestCase):

  def test_the_sample_runs(self):
    runpy.run_path(SAMPLE)

  @unittest.skipIf(importlib.util.find_spec("mypy") is None, "mypy is not installed")
  def test_mypy_agrees(self):
    packages = os.path.dirname(os.path.dirname(os.path.abspath(tenon.__file__)))
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--cache-dir=" + os.devnull, "--follow-imports=silent"]
    command += ["--warn-unused-ignores", "--strict-equality", "--disallow-untyped-defs", SAMPLE]
    done = subprocess.run(command, env={**os.environ, "MYPYPATH": packages}, capture_output=True, text=True)
    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

  @unittest.skipIf(importlib.util.find_spec("mypy") is None, "mypy is not installed")
  def test_stubtest(self):
    packages = os.path.dirname(os.path.dirname(os.path.abspath(tenon.__file__)))
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "tenon", "--concise"], env={**os.environ, "MYPYPATH": packages},
                          cwd=os.environ.get("TEST_TMPDIR"), capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    self.assertEqual([line for line in said if not any(re.search(allowed, line) for allowed, _ in ALLOWED)], [])
    for allowed, why in ALLOWED:
      self.assertTrue(any(re.search(allowed, line) for line in said), (allowed, why))

  @unittest.skipIf(importlib.util.find_spec("mypy") is None, "mypy is not installed")
  def test_mypy_accepts_the_stub(self):
    stub = os.path.join(os.path.dirname(os.path.abspath(tenon.__file__)), "_tenon.pyi")
    done = subprocess.run([sys.executable, "-m", "mypy", "--cache-dir=" + os.devnull, stub], capture_output=True, text=True)
    self.assertNotIn("_tenon.pyi", done.stdout)


if __name__ == "__main__":
  unittest.main()
