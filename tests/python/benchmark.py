"""Conversions and small calls: Tenon beside NumPy and PyTorch, in one run.

    ./dev python tests/python/benchmark.py [REGEX]

Each row is the best of many short passes, the libraries taking turns, so that load on the machine falls on all of them. Times are
per call. `target` is design/performance.md's for Tenon, measured on another machine: `ratio` is Tenon's time by the best peer's of
this run, `wanted` what the target was by the best peer's figure there. PyTorch is imported here or, where it is not installed, runs
in the interpreter that TENON_PEER_PYTHON names, as a second process that measures when asked.
"""
import os
import re
import subprocess
import sys
import timeit
import warnings

import numpy as np

warnings.simplefilter("ignore")  # PyTorch on lists of arrays

small = np.arange(64, dtype=np.float32)
large = np.random.default_rng(0).random(10_000_000, dtype=np.float32)
million = np.random.default_rng(0).random(1_000_000)
million_list = million.tolist()
thousand_arrays = [np.arange(1000.0) + i for i in range(1000)]
three = [1., 2., 3.]

# name, target in ns, and what the best peer took where the target comes from (None: no peer does it)
ROWS = [
    ("from_numpy", 200, 508),
    ("as_tensor(array)", 250, 931),
    ("t.numpy()", 200, 646),
    ("np.asarray(t)", 450, 1120),
    ("from_dlpack(array)", 400, 1039),
    ("np.from_dlpack(t)", 800, 1864),
    ("tensor([1., 2., 3.])", 300, 251),
    ("tensor(list of 1e6)", 5e6, 22e6),
    ("tensor(1000 arrays of 1000)", 0.6e6, 0.6e6),
    ("tensor(array of 1e7 f32)", None, 7e6),
    ("t + array", 1000, 20800),
    ("array + t", 1000, None),
    ("tolist of 1e6", 20e6, 26e6),
    ("repr of 3", 6000, 30000),
    ("add of 64", 250, 316),
    ("add of 64, recording", 350, 1766),
    ("(a*b).sum() and backward", 4000, 22800),
    ("reshape", 120, 106),
    ("transpose", 120, 63),
    ("slice", 120, 82),
    ("x[i]", None, None),
    ("m[i, j]", None, None),
    ("x[i] = v", None, None),
    ("m[i, j] = v", None, None),
    ("empty(1)", 150, 165),
    ("item", 70, 153),
    (".shape", None, None),
]


def views(t64, matrix):
  def set_one():
    t64[5] = 1.0

  def set_two():
    matrix[2, 3] = 1.0

  return {
      "reshape": lambda: matrix.reshape(64),
      "transpose": lambda: matrix.T,
      "slice": lambda: t64[2:10],
      "x[i]": lambda: t64[5],
      "m[i, j]": lambda: matrix[2, 3],
      "x[i] = v": set_one,
      "m[i, j] = v": set_two,
      ".shape": lambda: t64.shape,
      "add of 64": lambda: t64 + t64,
  }


def tensors(lib, from_array, zeros):
  """What Tenon and PyTorch call by the same names."""
  t64, t3, t1 = from_array(small), lib.tensor(three), lib.tensor(2.0)
  tm, w = from_array(million), lib.rand(64).requires_grad_()

  def step():
    w.grad = None
    (w * t64).sum().backward()

  return {
      **views(lib.zeros(64), zeros),
      "from_numpy": lambda: lib.from_numpy(small),
      "as_tensor(array)": lambda: lib.as_tensor(small),
      "t.numpy()": lambda: t64.numpy(),
      "np.asarray(t)": lambda: np.asarray(t64),
      "from_dlpack(array)": lambda: lib.from_dlpack(small),
      "np.from_dlpack(t)": lambda: np.from_dlpack(t64),
      "tensor([1., 2., 3.])": lambda: lib.tensor(three),
      "tensor(list of 1e6)": lambda: lib.tensor(million_list),
      "tensor(1000 arrays of 1000)": lambda: lib.tensor(thousand_arrays),
      "tensor(array of 1e7 f32)": lambda: lib.tensor(large),
      "t + array": lambda: t64 + small,
      "tolist of 1e6": lambda: tm.tolist(),
      "repr of 3": lambda: repr(t3),
      "add of 64, recording": lambda: w + t64,
      "(a*b).sum() and backward": step,
      "empty(1)": lambda: lib.empty(1),
      "item": lambda: t1.item(),
  }


def tenon_cases():
  import tenon
  t64 = tenon.as_tensor(small)
  return {**tensors(tenon, tenon.as_tensor, tenon.zeros((8, 8))), "array + t": lambda: small + t64}


def torch_cases():
  import torch
  torch.set_num_threads(1)
  return tensors(torch, torch.as_tensor, torch.zeros(8, 8))


def numpy_cases():
  n3 = np.array(three, np.float32)
  return {
      **views(np.zeros(64, np.float32), np.zeros((8, 8), np.float32)),
      "from_dlpack(array)": lambda: np.from_dlpack(small),
      "tensor([1., 2., 3.])": lambda: np.array(three),
      "tensor(list of 1e6)": lambda: np.array(million_list),
      "tensor(1000 arrays of 1000)": lambda: np.array(thousand_arrays),
      "tensor(array of 1e7 f32)": lambda: large.copy(),
      "tolist of 1e6": lambda: million.tolist(),
      "repr of 3": lambda: repr(n3),
      "empty(1)": lambda: np.empty(1),
      "item": lambda: n3[0].item(),
  }


def best(function, seconds=0.1):
  """The best of many short passes: on a loaded machine some of them are undisturbed."""
  timer = timeit.Timer(function)
  number = 1
  while timer.timeit(number) < 0.0003:
    number *= 2
  passes = max(3, int(seconds / max(timer.timeit(number), 1e-9)))
  return min(timer.repeat(passes, number)) / number * 1e9


def measure(cases):
  return lambda name: best(cases[name]) if name in cases else None


def serve():
  """Answers names of rows, one a line, with nanoseconds: PyTorch's figures for a process that cannot import it."""
  times = measure(torch_cases())
  for line in iter(sys.stdin.readline, ""):
    print(times(line.rstrip("\n")), flush=True)


def torch_measure():
  """PyTorch's times by row, or None."""
  try:
    return measure(torch_cases())
  except ImportError:
    python = os.environ.get("TENON_PEER_PYTHON")
  if not python:
    print("PyTorch is not installed here; TENON_PEER_PYTHON may name an interpreter that has it")
    return None
  peer = subprocess.Popen([python, os.path.abspath(__file__), "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

  def ask(name):
    print(name, file=peer.stdin, flush=True)
    answer = peer.stdout.readline().strip()
    if not answer:
      sys.exit("benchmark.py: %s cannot import torch (TENON_PEER_PYTHON)" % python)
    return None if answer == "None" else float(answer)

  return ask


def text(ns):
  if ns is None:
    return "-"
  return "%.0f ns" % ns if ns < 1e4 else "%.1f us" % (ns / 1e3) if ns < 1e6 else "%.2f ms" % (ns / 1e6)


def import_time():
  """Seconds that `import tenon` and a first add take beyond `import numpy`."""
  def run(code):
    start = timeit.default_timer()
    subprocess.run([sys.executable, "-c", code], check=True)
    return timeit.default_timer() - start

  ours, numpys = [], []
  for _ in range(20):
    ours.append(run("import numpy, tenon; tenon.tensor([1.]) + 1"))
    numpys.append(run("import numpy"))
  return min(ours) - min(numpys)


def main():
  wanted = re.compile(sys.argv[1] if len(sys.argv) > 1 else ".")
  libraries = [measure(tenon_cases()), measure(numpy_cases()), torch_measure()]
  print("%-28s %10s %10s %10s %10s %7s %7s" % ("", "Tenon", "NumPy", "PyTorch", "target", "ratio", "wanted"))
  for name, target, peer_there in ROWS:
    if not wanted.search(name):
      continue
    times = [None] * 3
    for _ in range(3):
      for i, library in enumerate(libraries):
        t = library(name) if library else None
        if t is not None:
          times[i] = t if times[i] is None else min(t, times[i])
    peers = [t for t in times[1:] if t is not None]
    ratio = times[0] / min(peers) if peers else None
    aim = target / peer_there if target and peer_there else None
    missed = aim is not None and ratio is not None and ratio > aim and times[0] > target
    print("%-28s %10s %10s %10s %10s %7s %7s%s" %
          (name, *map(text, times), text(target), "%.2f" % ratio if ratio else "-", "%.2f" % aim if aim else "-", "  above" if missed else ""), flush=True)
  if wanted.search("import"):
    print("import and a first add: %.1f ms over NumPy's (target 30)" % (import_time() * 1e3))


if __name__ == "__main__":
  serve() if sys.argv[1:] == ["--serve"] else main()
