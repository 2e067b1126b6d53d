"""A process may end at any moment, also while the driver compiles: its exit code is its own.

exit_test.py PROGRAM PROBE BACKEND_DIR
"""

import os
import subprocess
import sys
import tempfile

PROGRAM, PROBE, PLUGINS = (os.path.abspath(path) for path in sys.argv[1:4])
MANNERS = [
    "return",  # from main, with kernels that have just been launched
    "exit",
    "thread",  # exit() from another thread
    "busy",  # while another thread compiles its first kernel,
    "busy later",  # or a later one
    # the same, and exit() from a thread that compiles nothing itself, after so many milliseconds: at some point of
    # the first compilation, however fast the machine is
    "busy thread 100",
    "busy thread 300",
    "busy thread 500",
    "busy thread 800",
    "sizes",  # while the driver compiles a kernel again for larger arrays
    "static",  # and statics that are destroyed last still use the plug-in
    "fork first",  # a child made before OpenCL was started uses it, and then so does its parent
    "fork after discovery",  # a child that never uses it
    "fork with work",
    "closed",  # the device is closed with work pending
    "nothing",  # nothing was launched
]
CLEAN = 7


def main():
    if subprocess.run([PROBE], env=dict(os.environ, TENON_BACKEND_PATH=PLUGINS)).returncode != 0:
        return
    failed = []
    for manner in MANNERS:
        # Nothing is compiled yet.
        with tempfile.TemporaryDirectory() as cache:
            environment = dict(
                os.environ, TENON_BACKEND_PATH=PLUGINS, TENON_KERNEL_CACHE="off", POCL_CACHE_DIR=cache
            )
            done = subprocess.run(
                [PROGRAM, manner], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        if done.returncode != CLEAN:
            failed.append("%s: exit code %d, not %d: %s" % (manner, done.returncode, CLEAN, done.stdout[-500:]))
    assert not failed, "\n" + "\n".join(failed)


main()
