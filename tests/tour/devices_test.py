"""Proves that the devices program names every plug-in with what became of it, runs work on all devices and lists what
they left to the host. Argument: the program; plug-ins good and bad lie in the test's runfiles."""

import os
import re
import subprocess
import sys

DIRECTORIES = ["tests/plugins/%s/backend_dir" % d for d in ("bad", "mini", "simdev")]

# Regular expressions, one a line.
EXPECTED = r"""
cpu +loaded +0\.\d+ .* 1 +built in
mini +loaded +0\.\d+ .* 1 +/.*/libtenon_backend_mini\.so
simdev +loaded +0\.\d+ .* 2 +/.*/libtenon_backend_simdev\.so
no_devices +loaded +0\.\d+ .* 0 +/.*
 +no device: no_devices: no such hardware
wrong_major +refused +- +- +- +/.*
 +needs ABI 1, this Tenon provides ABI 0\.\d+
null_function +refused +0\.\d+
 +its core table lacks copy_d2h
  open_fails:0: cannot be opened
 +.*another process uses the device
  cpu: .+
  cpu +right
  mini:0 +right
  simdev:0 +right
  simdev:1 +right
  mini:0 +\d+ +matmul
"""


def main():
    program = sys.argv[1]
    path = ":".join(os.path.abspath(d) for d in (sys.argv[2:] or DIRECTORIES))
    run = subprocess.run(
        [program, "--try"],
        env={
            **os.environ,
            "LSAN_OPTIONS": "print_suppressions=0:suppressions=tests/plugins/mini/leaks.supp",
            "TENON_BACKEND_PATH": path,
            "TENON_LOG": "error",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    print(run.stdout)
    wrong = [e for e in EXPECTED.strip("\n").splitlines() if not re.search(e, run.stdout)]
    for e in wrong:
        print("devices_test: not found: " + e)
    if run.returncode:
        print(f"devices_test: it ended with {run.returncode}")
    return 1 if wrong or run.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
