"""Conversions and small calls: Tenon beside NumPy and, where it can be imported, PyTorch, in one run.

    ./dev python tests/python/benchmark.py [REGEX]

Each row is the best of several passes, the libraries taking turns, so that load on the machine falls on all of them. Times are per
call; `target` is design/performance.md's for Tenon.
"""
import re
import subprocess
import sys
import timeit

import numpy as np

import tenon

try:
  import torch
  torch.set_num_threads(1)
except ImportError:
  torch = None

small = np.arange(64, dtype=np.float32)
large = np.random.default_rng(0).random(10_000_000, dtype=np.float32)
million = np.random.default_rng(0).random(1_000_000)
million_list = million.tolist()
thousand_arrays = [np.arange(1000.0) + i for i in range(1000)]
three = [1., 2., 3.]

t64, t3, t1 = tenon.as_tensor(small), tenon.tensor(three), tenon.tensor(2.0)
matrix = tenon.zeros((8, 8))
tm = tenon.as_tensor(million)
w = tenon.rand(64).requires_grad_()
if torch is not None:
  p64, p3, p1 = torch.from_numpy(small), torch.tensor(three), torch.tensor(2.0)
  pmatrix, pm = torch.zeros(8, 8), torch.from_numpy(million)
  pw = torch.rand(64).requires_grad_()
nm, n3 = np.zeros((8, 8), np.float32), np.array(three, np.float32)


def step(lib, leaf, x):
  leaf.grad = None
  (leaf * x).sum().backward()


# name, Tenon, NumPy, PyTorch, target in ns
ROWS = [
    ("from_numpy", lambda: tenon.from_numpy(small), None, lambda: torch.from_numpy(small), 200),
    ("as_tensor(array)", lambda: tenon.as_tensor(small), None, lambda: torch.as_tensor(small), 250),
    ("t.numpy()", lambda: t64.numpy(), None, lambda: p64.numpy(), 200),
    ("np.asarray(t)", lambda: np.asarray(t64), None, lambda: np.asarray(p64), 450),
    ("from_dlpack(array)", lambda: tenon.from_dlpack(small), lambda: np.from_dlpack(small), lambda: torch.from_dlpack(small), 400),
    ("np.from_dlpack(t)", lambda: np.from_dlpack(t64), None, lambda: np.from_dlpack(p64), 800),
    ("tensor([1., 2., 3.])", lambda: tenon.tensor(three), lambda: np.array(three), lambda: torch.tensor(three), 300),
    ("tensor(list of 1e6)", lambda: tenon.tensor(million_list), lambda: np.array(million_list), lambda: torch.tensor(million_list), 5e6),
    ("tensor(1000 arrays of 1000)", lambda: tenon.tensor(thousand_arrays), lambda: np.array(thousand_arrays),
     lambda: torch.tensor(thousand_arrays), 0.6e6),
    ("tensor(array of 1e7 f32)", lambda: tenon.tensor(large), lambda: large.copy(), lambda: torch.tensor(large), None),
    ("t + array", lambda: t64 + small, None, lambda: p64 + small, 1000),
    ("array + t", lambda: small + t64, None, None, 1000),
    ("tolist of 1e6", lambda: tm.tolist(), lambda: million.tolist(), lambda: pm.tolist(), 20e6),
    ("repr of 3", lambda: repr(t3), lambda: repr(n3), lambda: repr(p3), 6000),
    ("add of 64", lambda: t64 + t64, lambda: small + small, lambda: p64 + p64, 250),
    ("add of 64, recording", lambda: w + t64, None, lambda: pw + p64, 350),
    ("(a*b).sum() and backward", lambda: step(tenon, w, t64), None, lambda: step(torch, pw, p64), 4000),
    ("reshape", lambda: matrix.reshape(64), lambda: nm.reshape(64), lambda: pmatrix.reshape(64), 120),
    ("transpose", lambda: matrix.T, lambda: nm.T, lambda: pmatrix.T, 120),
    ("slice", lambda: t64[2:10], lambda: small[2:10], lambda: p64[2:10], 120),
    ("empty(1)", lambda: tenon.empty(1), lambda: np.empty(1), lambda: torch.empty(1), 150),
    ("item", lambda: t1.item(), lambda: n3[0].item(), lambda: p1.item(), 70),
    (".shape", lambda: t64.shape, lambda: small.shape, lambda: p64.shape, None),
]


def best(function, passes=5):
  timer = timeit.Timer(function)
  number = 1
  while timer.timeit(number) < 0.01:
    number *= 4
  return min(timer.repeat(passes, number)) / number * 1e9


def text(ns):
  if ns is None:
    return "-"
  return "%.0f ns" % ns if ns < 1e4 else "%.1f us" % (ns / 1e3) if ns < 1e6 else "%.2f ms" % (ns / 1e6)


def import_time():
  """Seconds that `import tenon` and a first add take beyond `import numpy`."""
  def run(code):
    return min(timeit.repeat(lambda: subprocess.run([sys.executable, "-c", code], check=True), number=1, repeat=5))
  return run("import numpy, tenon; tenon.tensor([1.]) + 1") - run("import numpy")


def main():
  wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else ".")
  print("%-28s %10s %10s %10s %10s" % ("", "Tenon", "NumPy", "PyTorch", "target"))
  for name, ours, numpys, torchs, target in ROWS:
    if not wanted.search(name):
      continue
    row = [ours, numpys, torchs if torch is not None else None]
    times = [None] * 3
    for _ in range(2):
      for i, function in enumerate(row):
        if function is not None:
          t = best(function)
          times[i] = t if times[i] is None else min(t, times[i])
    print("%-28s %10s %10s %10s %10s%s" % (name, *map(text, times), text(target), "  above" if target and times[0] > target else ""))
  if wanted.search("import"):
    print("import and a first add: %.1f ms over NumPy's (target 30)" % (import_time() * 1e3))


if __name__ == "__main__":
  main()
