"""run.sh on a machine without a GPU, and with programs that pass, fail and hang, which are scripts here."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Bundle(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        for name in ("run.sh", "compare.py"):
            shutil.copy(os.path.join(HERE, name), self.dir)
        os.makedirs(os.path.join(self.dir, "bin"))
        self.program("devices", "echo 'cuda:0  Some GPU'")
        self.program("train", "mkdir -p ${@: -1}; echo trained")
        self.program("gpu_benchmark", r"printf 'add/1000\t2.5\t12000\t0\n'")

    def program(self, name, body):
        path = os.path.join(self.dir, "bin", name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/bash\n" + body + "\n")
        os.chmod(path, 0o755)

    def run_sh(self, *args):
        done = subprocess.run(["bash", os.path.join(self.dir, "run.sh"), *args], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout

    def test_without_a_device_it_says_why_and_fails(self):
        self.program("devices", "echo 'cuda: no NVIDIA driver: libcuda.so.1 could not be opened'")
        self.program("index_test_program", "touch ran")
        status, text = self.run_sh()
        self.assertEqual(status, 3)
        self.assertIn("no NVIDIA driver", text)
        self.assertIn("no device cuda:0 here; nothing was run", text)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "ran")))

    def test_passing_programs_pass(self):
        self.program("index_test_program", '[ "$TENON_TEST_DEVICE" = cuda:0 ] && echo "[  PASSED  ]"')
        status, text = self.run_sh("tests")
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"index_test +passed")
        self.assertTrue(text.rstrip().endswith("1 checks, 0 failed"), text)

    def test_a_failing_program_fails_all(self):
        self.program("good_test_program", "exit 0")
        self.program("bad_test_program", "echo '[  FAILED  ] Some.Test'; exit 1")
        status, text = self.run_sh("tests")
        self.assertEqual(status, 1)
        self.assertRegex(text, r"bad_test +failed .*Some.Test")
        self.assertIn("2 checks, 1 failed", text)

    def test_host_fallbacks_are_counted(self):
        self.program("a_test_program", "echo 'tenon warning: sort on cuda:0 runs on the host, ...'")
        _, text = self.run_sh("tests")
        self.assertIn("1 operations left to the host", text)

    def test_the_benchmarks_stand_in_the_table(self):
        status, text = self.run_sh("bench")
        self.assertEqual(status, 0, text)
        self.assertRegex(text, r"add/1000 +2.5 +5 GB/s")

    def test_nothing_to_run_is_no_success(self):
        self.assertEqual(self.run_sh("tests")[0], 1)

    def test_wrong_use(self):
        self.assertEqual(self.run_sh("everything")[0], 2)


if __name__ == "__main__":
    sys.exit(unittest.main())
