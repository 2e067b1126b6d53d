"""The C++ benchmarks' cases with PyTorch and NumPy, beside Tenon's figures of the same run.

  python3 compare.py DIRECTORY

DIRECTORY holds what `./dev bench` wrote: Google Benchmark's JSON, one file a program. Each case that a
peer can do is timed here (one thread; the best of some repetitions, as peers are best) and printed as a
row: Tenon's time, the peer's, and how many times faster Tenon is. Tenon's figure is the CPU's time or, where the
benchmark says so, the clock's. The peers are called from Python: what their small calls pay for that is theirs, and
performance.md of the design gives libtorch's figures without it.
"""
import json
import os
import sys
import timeit


def read_tenon(directory):
  """{benchmark: ns}, the best repetition of each."""
  best = {}
  for name in sorted(os.listdir(directory)):
    if not name.endswith(".json"):
      continue
    with open(os.path.join(directory, name), encoding="utf-8") as f:
      for row in json.load(f).get("benchmarks", []):
        if row.get("run_type") == "aggregate" or row.get("error_occurred"):
          continue
        scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[row["time_unit"]]
        key = row.get("run_name", row["name"])
        wall = key.endswith("/real_time")
        time = row["real_time" if wall else "cpu_time"] * scale
        best[key] = min(best.get(key, time), time)
  return best


def time_ns(call, budget=0.3):
  """The best time of one call, over about `budget` seconds."""
  call()
  timer = timeit.Timer(call)
  number, seconds = timer.autorange() if budget >= 0.2 else (1, timer.timeit(1))
  number = max(1, int(number * min(1.0, budget / 5 / max(seconds, 1e-9))))
  return min(timer.repeat(5, number)) / number * 1e9


def torch_cases():
  import torch
  import torch.nn.functional as F

  torch.set_num_threads(1)
  a, b = torch.rand(64), torch.rand(64)
  m, row = torch.rand(8, 8), torch.rand(8)
  x, y = torch.rand(64, requires_grad=True), torch.rand(64, requires_grad=True)

  def forward_backward():
    x.grad = y.grad = None
    (x * y).sum().backward()

  cases = {
      "add_64": lambda: torch.add(a, b),
      "add_64_of_a_number": lambda: a + 2.0,
      "add_64_in_place": lambda: a.add_(b),
      "add_8x8_and_row": lambda: m + row,
      "exp_64": lambda: torch.exp(b),
      "sum_64": lambda: b.sum(),
      "sum_8x8_axis": lambda: m.sum(0),
      "empty_1": lambda: torch.empty(1),
      "zeros_64": lambda: torch.zeros(64),
      "item_of_one": lambda one=torch.rand(1): one.item(),
      "view_reshape": lambda: m.reshape(64),
      "view_transpose": lambda: m.t(),
      "view_slice": lambda: m[1:3],
      "view_select": lambda: m[1],
      "clone_64": lambda: b.clone(),
      "add_64_recording": lambda: torch.add(x, y),
      "multiply_64_recording": lambda: torch.mul(x, y),
      "multiply_sum_forward_backward_64": forward_backward,
  }
  for n in (1000, 100_000, 10_000_000):
    u, v = torch.rand(n) + 0.5, torch.rand(n) + 0.5
    cases.update({
        f"large_copy/{n}": lambda u=u: u.clone(),
        f"large_add/{n}": lambda u=u, v=v: u + v,
        f"large_add_number/{n}": lambda u=u: u + 2,
        f"large_exp/{n}": lambda u=u: torch.exp(u),
        f"large_tanh/{n}": lambda u=u: torch.tanh(u),
        f"large_gelu/{n}": lambda u=u: F.gelu(u),
        f"large_where/{n}": lambda u=u, v=v: torch.where(u > 1.0, u, v),
        f"large_sum/{n}": lambda u=u: u.sum(),
        f"large_chain_of_8_fused/{n}":
            lambda u=u, v=v: ((((u * v + u) * v - u) * v + u) * v + u),
    })
  for n in (64, 128, 256, 512, 1024, 2048):
    p, q = torch.rand(n, n), torch.rand(n, n)
    cases[f"matmul_square/{n}/real_time"] = lambda p=p, q=q: p @ q
  t = torch.rand(4096, 4096).t()
  cases["transpose_copy_4096/real_time"] = lambda: t.contiguous()

  def mlp(widths, batch, optimizer):
    layers = []
    for i, (n, k) in enumerate(zip(widths, widths[1:])):
      layers += [torch.nn.Linear(n, k)] + ([torch.nn.ReLU()] if i + 2 < len(widths) else [])
    net = torch.nn.Sequential(*layers)
    update = optimizer(net.parameters(), lr=0.01)
    inputs = torch.rand(batch, widths[0])
    labels = torch.arange(batch) % widths[-1]

    def step():
      update.zero_grad()
      F.cross_entropy(net(inputs), labels).backward()
      update.step()

    return step

  for label, widths, batch, suffix in (("step_4_8_3", (4, 8, 3), 4, ""),
                                       ("step_784_256_128_10", (784, 256, 128, 10), 64, "/real_time")):
    cases[f"{label}_sgd{suffix}"] = mlp(widths, batch, torch.optim.SGD)
    cases[f"{label}_adamw{suffix}"] = mlp(widths, batch, torch.optim.AdamW)
  return f"PyTorch {torch.__version__}", cases


def numpy_cases():
  import numpy as np

  random = np.random.default_rng(0)
  a, b = random.random(64, np.float32), random.random(64, np.float32)
  m, row = random.random((8, 8), np.float32), random.random(8, np.float32)
  cases = {
      "add_64": lambda: a + b,
      "add_8x8_and_row": lambda: m + row,
      "exp_64": lambda: np.exp(a),
      "sum_64": lambda: a.sum(),
      "empty_1": lambda: np.empty(1, np.float32),
      "view_reshape": lambda: m.reshape(64),
      "view_transpose": lambda: m.T,
      "view_slice": lambda: m[1:3],
      "clone_64": lambda: a.copy(),
  }
  for n in (1000, 100_000, 10_000_000):
    u, v = random.random(n, np.float32) + np.float32(0.5), random.random(n, np.float32)
    cases.update({
        f"large_copy/{n}": lambda u=u: u.copy(),
        f"large_add/{n}": lambda u=u, v=v: u + v,
        f"large_exp/{n}": lambda u=u: np.exp(u),
        f"large_tanh/{n}": lambda u=u: np.tanh(u),
        f"large_where/{n}": lambda u=u, v=v: np.where(u > 1.0, u, v),
        f"large_sum/{n}": lambda u=u: u.sum(),
    })
  return f"NumPy {np.__version__}", cases


def main():
  if len(sys.argv) != 2:
    sys.exit(__doc__)
  tenon = read_tenon(sys.argv[1])
  if not tenon:
    sys.exit(f"compare.py: no benchmark results in {sys.argv[1]}; ./dev bench writes them")
  for make in (torch_cases, numpy_cases):
    try:
      title, cases = make()
    except ImportError as e:
      print(f"\nskipped {make.__name__}: {e}")
      continue
    print(f"\n{title}, one thread\n{'case':44}{'Tenon':>12}{'peer':>12}{'x':>8}")
    for name, call in cases.items():
      if name not in tenon:
        continue
      peer = time_ns(call)
      print(f"{name:44}{show(tenon[name]):>12}{show(peer):>12}{peer / tenon[name]:8.1f}", flush=True)


def show(ns):
  for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
    if ns >= size:
      return f"{ns / size:.3g} {unit}"
  return f"{ns:.3g} ns"


if __name__ == "__main__":
  main()
