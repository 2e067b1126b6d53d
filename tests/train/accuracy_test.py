"""Proves that the drawn digits are worth drawing: a linear model stays below 90 %, a small network passes 97 %.

Argument: the program."""

import re
import subprocess
import sys
import tempfile


def accuracy(*arguments):
    with tempfile.TemporaryDirectory() as out:
        run = subprocess.run([sys.argv[1], "--out", out, *arguments], stdout=subprocess.PIPE, check=True)
    last = run.stdout.decode().splitlines()[-1]
    print(" ".join(arguments), "->", last)
    return float(re.match(r"test accuracy: ([\d.]+) %", last)[1])


def main():
    for seed in ("0", "1"):
        assert accuracy("--model", "mlp", "--epochs", "4", "--seed", seed) >= 97
        assert 70 < accuracy("--model", "linear", "--seed", seed) < 90


if __name__ == "__main__":
    main()
