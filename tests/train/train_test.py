"""Proves what the train program promises: its last line, its files, plain lines without a terminal and a bar on one, the
same weights for any number of threads, whole weight files when it is killed, and what it says of mistakes.

Arguments: the program; optionally a device and the directory of its plug-in."""

import csv
import hashlib
import os
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import xml.dom.minidom
import zipfile

PROGRAM = os.path.abspath(sys.argv[1])
DEVICE = sys.argv[2] if len(sys.argv) > 2 else "cpu"
ENVIRONMENT = dict(os.environ)
if len(sys.argv) > 3:
    ENVIRONMENT["TENON_BACKEND_PATH"] = os.path.abspath(sys.argv[3])
FILES = ["metrics.csv", "training.svg", "weights.npz", "wrong_guesses.svg"]


def npy(descr, shape, data):
    header = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (descr, tuple(shape))
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def write_data(path, side, rows, seed):
    """Pictures of four classes: a bright quarter in noise."""
    rng = random.Random(seed)
    with zipfile.ZipFile(path, "w") as archive:
        for part, n in (("train", rows), ("test", rows // 4)):
            labels = [rng.randrange(4) for _ in range(n)]
            pixels = bytearray()
            for label in labels:
                for y in range(side):
                    for x in range(side):
                        bright = (2 * y >= side) * 2 + (2 * x >= side) == label
                        pixels.append(rng.randrange(120) + (80 if bright else 0))
            archive.writestr("x_%s.npy" % part, npy("|u1", (n, side, side), bytes(pixels)))
            archive.writestr("y_%s.npy" % part, npy("<i8", (n,), struct.pack("<%dq" % n, *labels)))


def command(*arguments):
    return [PROGRAM, "--device", DEVICE, *arguments]


def train(*arguments, threads=None, status=0):
    environment = dict(ENVIRONMENT)
    if threads:
        environment["TENON_NUM_THREADS"] = str(threads)
    run = subprocess.run(command(*arguments), env=environment, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE)
    output, errors = run.stdout.decode(), run.stderr.decode()
    assert run.returncode == status, "status %d\n%s%s" % (run.returncode, output, errors)
    return output if status == 0 else errors


def content(path):
    with open(path, "rb") as f:
        return f.read()


class TrainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.data = cls.path("small.npz")
        write_data(cls.data, 8, 320, 1)

    @classmethod
    def tearDownClass(cls):
        cls.home.cleanup()

    @classmethod
    def path(cls, name):
        return os.path.join(cls.home.name, name)

    def test_leaves_what_it_promises(self):
        out = self.path("new/directory")
        output = train("--data", self.data, "--epochs", "12", "--seed", "7", "--out", out)
        lines = output.splitlines()
        last = re.fullmatch(
            r"test accuracy: (\d+\.\d\d) % \(device " + DEVICE + r"(:0)?, seed 7, \d+\.\d s\)", lines[-1])
        self.assertTrue(last, lines[-1])
        self.assertGreater(float(last[1]), 97)
        # Plain lines: one per epoch, nothing that moves a cursor.
        self.assertEqual(len([l for l in lines if l.startswith("epoch ")]), 12)
        self.assertNotIn("\r", output)
        self.assertNotIn("\x1b", output)
        self.assertIn("320 training and 80 test images of 8 x 8, 4 classes", lines[0])

        self.assertEqual(sorted(os.listdir(out)), FILES)
        with zipfile.ZipFile(os.path.join(out, "weights.npz")) as archive:
            self.assertIsNone(archive.testzip())
            shapes = {n: re.search(rb"'descr': '<f4'.*'shape': (\([\d, ]*\))", archive.read(n))[1]
                      for n in archive.namelist()}
        self.assertEqual(shapes, {
            "0.weight.npy": b"(128, 64)", "0.bias.npy": b"(128,)", "2.weight.npy": b"(64, 128)",
            "2.bias.npy": b"(64,)", "4.weight.npy": b"(4, 64)", "4.bias.npy": b"(4,)"})
        with open(os.path.join(out, "metrics.csv"), newline="") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual([int(r["epoch"]) for r in rows], list(range(1, 13)))
        self.assertAlmostEqual(100 * float(rows[-1]["test_accuracy"]), float(last[1]), delta=0.005)
        self.assertLess(float(rows[-1]["train_loss"]), float(rows[0]["train_loss"]) / 4)
        for name in ("training.svg", "wrong_guesses.svg"):
            document = xml.dom.minidom.parse(os.path.join(out, name))
            self.assertEqual(document.documentElement.tagName, "svg")
        wrong = round(80 * (1 - float(last[1]) / 100))
        self.assertIn("%d wrong guesses in 80 test images" % wrong,
                      content(os.path.join(out, "wrong_guesses.svg")).decode())

    def test_same_seed_same_weights_for_any_number_of_threads(self):
        # Wide enough (784-256-128) for products and sums to be cut between threads.
        data = self.path("wide.npz")
        write_data(data, 28, 160, 2)

        def weights(threads, seed):
            out = self.path("threads")
            train("--data", data, "--epochs", "2", "--seed", str(seed), "--out", out, threads=threads)
            return hashlib.sha256(content(os.path.join(out, "weights.npz"))).hexdigest()

        one = weights(1, 5)
        self.assertEqual(weights(3, 5), one)
        self.assertEqual(weights(2, 5), one)
        self.assertNotEqual(weights(1, 6), one)

    def test_killed_it_leaves_the_old_or_the_new_weights(self):
        out = self.path("killed")
        weights = os.path.join(out, "weights.npz")
        new = command("--data", self.data, "--epochs", "2", "--seed", "2", "--out", out)
        train("--data", self.data, "--epochs", "2", "--seed", "2", "--out", out)
        new_weights = content(weights)
        train("--data", self.data, "--epochs", "2", "--seed", "1", "--out", out)
        old_weights = content(weights)
        self.assertNotEqual(old_weights, new_weights)
        start = time.monotonic()
        subprocess.run(new, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
        duration = time.monotonic() - start
        seen = {"old": 0, "new": 0}
        for i in range(40):
            with open(weights, "wb") as f:
                f.write(old_weights)
            process = subprocess.Popen(new, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
            # Most kills fall where the files are written, at the end.
            time.sleep(duration * (0.4 + 0.02 * i))
            process.send_signal(signal.SIGKILL)
            process.wait()
            found = content(weights)
            self.assertIn(found, (old_weights, new_weights))
            seen["old" if found == old_weights else "new"] += 1
        print("after 40 kills:", seen)

    def test_draws_a_bar_on_a_terminal(self):
        data = self.path("long.npz")
        write_data(data, 8, 20000, 3)
        arguments = command("--data", data, "--epochs", "2", "--batch", "1", "--out", self.path("terminal"))
        main, other = pty.openpty()
        process = subprocess.Popen(arguments, env=ENVIRONMENT, stdout=other)
        os.close(other)
        output = b""
        while True:
            try:
                piece = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            output += piece
        self.assertEqual(process.wait(), 0)
        text = output.decode()
        self.assertRegex(text, r"\repoch \d/2 \[=*>? *\] +\d+ %  loss \d+\.\d+  [\d,]+ images/s")
        self.assertRegex(text.splitlines()[-1], r"^test accuracy: ")

    def test_mistakes_are_explained(self):
        def errors(*arguments, status=1):
            return train("--out", self.path("errors"), *arguments, status=status)

        self.assertIn("did you mean --epochs?", errors("--epoch", "3", status=2))
        self.assertIn("must be one of mlp|linear", errors("--model", "cnn", status=2))
        self.assertIn("train: read_npz: cannot open '/nowhere.npz'", errors("--data", "/nowhere.npz"))
        self.assertIn("choose one", errors("--data", "a", "--mnist", "b"))
        self.assertIn("no device 'nosuch'", errors("--data", self.data, "--device", "nosuch"))
        self.assertIn("t10k-images", errors("--mnist", self.home.name))
        self.assertIn("usage: train", train("--help"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
