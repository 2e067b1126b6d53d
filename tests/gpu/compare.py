"""Figures beside PyTorch's and CuPy's, measured in the same run where this Python has them.

  compare.py bench BENCH_TSV            a table of gpu_benchmark's cases
  compare.py weights ONE.npz OTHER.npz  do two training runs agree?
"""

import sys
import time

# Trained by other kernels with other orders of summation, over ten epochs.
WEIGHTS_BOUND = 5e-2


def peers_torch():
    import torch

    if not torch.cuda.is_available():
        return "torch", None, {}
    device, cases = "cuda", {}
    torch.backends.cuda.matmul.allow_tf32 = False

    for n in (1_000, 100_000, 10_000_000, 64 << 20):
        x, y = (torch.rand(n, device=device) + 0.5 for _ in range(2))
        cases["copy/%d" % n] = lambda x=x: x.clone()
        cases["add/%d" % n] = lambda x=x, y=y: x + y
        cases["add_number/%d" % n] = lambda x=x: x + 2
        cases["exp/%d" % n] = lambda x=x: x.exp()
        cases["gelu/%d" % n] = lambda x=x: torch.nn.functional.gelu(x)
        cases["sum/%d" % n] = lambda x=x: x.sum()

        def chain(x=x, y=y):
            v = x * y
            v = v + x
            v = v * y
            v = v - x
            v = v * y
            v = v + x
            v = v * y
            return v + x

        cases["chain_of_8/%d" % n] = chain
    x, b = torch.rand(8192, 4096, device=device), torch.rand(4096, device=device)
    cases["sum_rows/8192x4096"] = lambda: x.sum(1)
    cases["sum_columns/8192x4096"] = lambda: x.sum(0)
    square = torch.rand(1024, 1024, device=device)
    targets = torch.randint(4096, (8192,), device=device)
    cases["softmax/1024x1024"] = lambda: square.softmax(-1)
    cases["softmax/8192x4096"] = lambda: x.softmax(-1)
    cases["softmax_columns/8192x4096"] = lambda: x.softmax(0)
    cases["layer_norm/8192x4096"] = lambda: torch.nn.functional.layer_norm(x, (4096,), b, b)
    cases["cross_entropy/8192x4096"] = lambda: torch.nn.functional.cross_entropy(x, targets)
    for count, size in ((10, 1_000_000), (100, 1_000)):
        parameters = [torch.rand(size, device=device, requires_grad=True) for _ in range(count)]
        for p in parameters:
            p.grad = torch.rand(size, device=device)
        # One kernel for many parameters, as ours.
        adamw = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
        cases["adamw/%dx%d" % (count, size)] = adamw.step
    cases["add_row/8192x4096"] = lambda: x + b
    cases["transpose_copy/8192x4096"] = lambda: x.t().contiguous()
    for dtype in ("float32", "bfloat16", "float16", "float64"):
        for n in (256, 1024, 4096, 8192):
            if n == 8192 and dtype == "float64":
                continue
            p, q = (torch.randn(n, n, device=device).to(getattr(torch, dtype)) for _ in range(2))
            cases["matmul_%s/%d" % (dtype, n)] = lambda p=p, q=q: p @ q
    host = torch.ones(64 << 20)
    there = host.to(device)
    cases["to_device/256MiB"] = lambda: host.to(device)
    cases["to_host/256MiB"] = lambda: there.cpu()
    for name, kind in (("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)):
        model = torch.nn.Sequential(
            torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 128), torch.nn.ReLU(),
            torch.nn.Linear(128, 10)).to(device)
        optimizer = kind(model.parameters(), lr=1e-3)
        batch, labels = torch.rand(64, 784, device=device), torch.randint(10, (64,), device=device)

        def step(model=model, optimizer=optimizer, batch=batch, labels=labels):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(batch), labels).backward()
            optimizer.step()

        cases["mlp_step_%s/64x784-256-128-10" % name] = step
    return "torch " + torch.__version__, torch.cuda.synchronize, cases


def peers_cupy():
    import cupy

    cases = {}
    for n in (1_000, 100_000, 10_000_000, 64 << 20):
        x, y = (cupy.random.rand(n, dtype=cupy.float32) for _ in range(2))
        cases["copy/%d" % n] = lambda x=x: x.copy()
        cases["add/%d" % n] = lambda x=x, y=y: x + y
        cases["exp/%d" % n] = lambda x=x: cupy.exp(x)
        cases["sum/%d" % n] = lambda x=x: x.sum()
    p, q = (cupy.random.rand(4096, 4096, dtype=cupy.float32) for _ in range(2))
    cases["matmul_float32/4096"] = lambda: p @ q
    return "cupy " + cupy.__version__, cupy.cuda.Device().synchronize, cases


def microseconds(call, synchronize, seconds=0.2):
    """As gpu_benchmark: calls back to back, the best of five."""
    for _ in range(3):
        call()
    synchronize()
    best, calls, rounds = float("inf"), 1, 0
    while rounds < 5:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        synchronize()
        taken = time.perf_counter() - start
        if taken < seconds / 5 and calls < 1_000_000:
            calls *= 2
            continue
        best = min(best, taken / calls)
        rounds += 1
    return best * 1e6


def rate(micros, bytes_moved, operations):
    if bytes_moved:
        return "%.0f GB/s" % (bytes_moved / micros / 1e3)
    if operations:
        return "%.1f TFLOP/s" % (operations / micros / 1e6)
    return ""


def bench(path):
    rows = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if len(fields) >= 4 and fields[1] != "failed":
                rows.append((fields[0], float(fields[1]), float(fields[2]), float(fields[3])))
    peers = []
    for make in (peers_torch, peers_cupy):
        try:
            name, synchronize, cases = make()
        except Exception as error:  # not installed, or without a GPU: the table says so
            peers.append((make.__name__[6:] + ": " + str(error).split("\n")[0][:80], None, {}))
            continue
        peers.append((name, synchronize, cases))
    for name, synchronize, _ in peers:
        if synchronize is None:
            print("not measured: " + name)
    peers = [p for p in peers if p[1] is not None]
    print("%-36s %12s %14s" % ("case", "tenon us", "rate") +
          "".join(" %16s %7s" % (name[:16], "ratio") for name, _, _ in peers))
    for name, micros, bytes_moved, operations in rows:
        line = "%-36s %12.4g %14s" % (name, micros, rate(micros, bytes_moved, operations))
        for _, synchronize, cases in peers:
            if name in cases:
                theirs = microseconds(cases[name], synchronize)
                line += " %16.4g %6.2fx" % (theirs, theirs / micros)
            else:
                line += " %16s %7s" % ("-", "-")
        print(line, flush=True)
    return 0 if rows else 1


def weights(one, other):
    import numpy

    worst = 0.0
    a, b = numpy.load(one), numpy.load(other)
    if sorted(a.files) != sorted(b.files):
        print("error: not the same tensors:", sorted(a.files), sorted(b.files))
        return 1
    for name in a.files:
        worst = max(worst, float(numpy.abs(a[name].astype("f8") - b[name]).max()))
    print("largest difference of a weight: %.3g (bound %.3g)" % (worst, WEIGHTS_BOUND))
    return 0 if worst <= WEIGHTS_BOUND else 1


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "bench":
        sys.exit(bench(sys.argv[2]))
    if len(sys.argv) == 4 and sys.argv[1] == "weights":
        sys.exit(weights(sys.argv[2], sys.argv[3]))
    print(__doc__)
    sys.exit(2)
