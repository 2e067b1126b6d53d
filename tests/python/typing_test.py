"""A typed program (typing_sample.py) against the type stubs: it runs, and mypy, where it is installed, agrees with it."""
import importlib.util
import os
import runpy
import subprocess
import sys
import unittest

import tenon

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
  def test_mypy_accepts_the_stub(self):
    stub = os.path.join(os.path.dirname(os.path.abspath(tenon.__file__)), "_tenon.pyi")
    done = subprocess.run([sys.executable, "-m", "mypy", "--cache-dir=" + os.devnull, stub], capture_output=True, text=True)
    self.assertNotIn("_tenon.pyi", done.stdout)


if __name__ == "__main__":
  unittest.main()
