"""The tour sees on opencl what it states, and a training run there ends with the weights of the cpu within a bound.

programs_test.py TOUR TRAIN PROBE BACKEND_DIR
"""

import os
import re
import struct
import subprocess
import sys
import tempfile
import zipfile

TOUR, TRAIN, PROBE, PLUGINS = (os.path.abspath(path) for path in sys.argv[1:5])
# As BUILD has it, and says why.
KERNELS = os.path.join(os.environ.get("TMPDIR", "/tmp"), "tenon_test_kernels_%d" % os.getuid())
ENVIRONMENT = dict(
    os.environ,
    TENON_BACKEND_PATH=PLUGINS,
    TENON_FALLBACK="error",
    TENON_KERNEL_CACHE=KERNELS + "/tenon",
    POCL_CACHE_DIR=KERNELS + "/pocl",
)
# Sums in another order move a weight by about 1e-7 in these 250 steps.
WEIGHT_BOUND = 1e-5


def run(*command):
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, "%s: %d\n%s" % (command, done.returncode, done.stdout[-4000:])
    return done.stdout


def floats(path):
    """All float32 arrays of an .npz, by name."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            length = struct.unpack("<H", data[8:10])[0]
            assert b"'<f4'" in data[10 : 10 + length], name
            body = data[10 + length :]
            arrays[name] = struct.unpack("<%df" % (len(body) // 4), body)
    return arrays


def main():
    probe = subprocess.run([PROBE], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    if probe.returncode != 0:
        print(probe.stdout)
        return
    tour = run(TOUR, "--device", "opencl")
    assert re.search(r"\d+ calls, all as stated", tour), tour[-2000:]

    results = {}
    for device in ("cpu", "opencl"):
        with tempfile.TemporaryDirectory() as out:
            text = run(TRAIN, "--device", device, "--model", "linear", "--epochs", "1", "--out", out)
            accuracy = float(re.search(r"test accuracy: ([\d.]+) %", text).group(1))
            results[device] = accuracy, floats(os.path.join(out, "weights.npz"))
    (cpu_accuracy, cpu), (accuracy, trained) = results["cpu"], results["opencl"]
    assert cpu.keys() == trained.keys()
    worst = max(abs(a - b) for name in cpu for a, b in zip(cpu[name], trained[name]))
    print("accuracy %.2f %% on the cpu, %.2f %% on opencl; weights differ by at most %.2g" % (cpu_accuracy, accuracy, worst))
    assert abs(accuracy - cpu_accuracy) < 1, (accuracy, cpu_accuracy)
    assert worst < WEIGHT_BOUND, worst


main()
