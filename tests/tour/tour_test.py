"""Proves that the tour sees what it states on every device, that it shows the calls of the tutorial, and that its summary
says of each what it must. Arguments: the program, then (for a device but the cpu) its name and a directory of plug-ins.
"""

import os
import subprocess
import sys

# What stands in the output, in this order: calls, results, memory, refusals.
EVERYWHERE = """
== From values ==
tensor<int64_t>({1, 2, 3}, device)
== From a host array ==
  tensor(a)
    copied: 11 written to a, the tensor still reads 1
  as_tensor(a)
    shares memory: 11 written to a, the tensor reads 11
  as_tensor(a, {.dtype = DType::float64})
    copied: 11 written to a, the tensor still reads 1
    refused: as_tensor: can't alias the array (float32[3]) into float64 on cpu without a copy
  from_numpy(a)
    shares memory: 11 written to a, the tensor reads 11
  from_numpy(backwards)
    float32[3] on cpu, strides [-1]
  from_numpy(fixed)
    float32[3] on cpu, read-only
    refused: fill_: float32[3] on cpu is read-only
    refused: from_numpy: given numpy array has byte order different from the native byte order
== To a host array ==
    shares memory: 11 written to the tensor, the array reads 11
    refused: to_numpy: Can't call numpy() on Tensor that requires grad. Use to_numpy(t.detach())
== One element as a number ==
    refused: item: a Tensor with 2 elements cannot be converted to Scalar
== The same data and other data ==
  x.detach()
    shares memory: 11 written to x, the result reads 11
  x.clone()
    copied: 11 written to x, the result still reads 1
== Devices ==
== Gradients ==
    refused: sum: Trying to backward through the graph a second time
    refused: fill_: a leaf Variable that requires grad is being used in an in-place operation
    refused: exp: one of the variables needed for gradient computation has been modified by an
== Printing ==
== What was seen ==
tensor          copies            keeps
as_tensor       shares or copies  keeps or as asked
from_numpy      shares            keeps
to_numpy        shares
detach          shares            keeps
clone           copies            keeps
calls, all as stated
"""

BESIDE_CPU = """
    refused: to_numpy: can't convert {device} device type tensor to numpy. Use to_numpy(t.cpu())
    refused: to_numpy: Can't call numpy() on Tensor that requires grad, and can't convert {device}
== Devices ==
    refused: add: Expected all tensors to be on the same device
    refused: data: memory of {device} cannot be read by host code; use cpu() first
"""

NO_CUDA = """
== Devices ==
  t.cuda()
    refused: cuda: Found no NVIDIA driver on your system
    tried:
      cpu: built in: loaded, 1 device
"""


def missing(output, expected):
    """The first expected line that does not follow the one before it."""
    at = 0
    for line in filter(None, expected.splitlines()):
        at = output.find(line, at)
        if at < 0:
            return line
        at += len(line)
    return None


def main():
    tour, *where = sys.argv[1:]
    environment = dict(os.environ)
    environment["LSAN_OPTIONS"] = "print_suppressions=0:suppressions=tests/plugins/mini/leaks.supp"
    arguments, expected = ["--device", "cpu"], [EVERYWHERE]
    if where:
        device, directory = where
        arguments = ["--device", device]
        environment["TENON_BACKEND_PATH"] = os.path.abspath(directory)
        expected.append(BESIDE_CPU.format(device=device + ":0"))
    if not os.path.exists("/dev/nvidia0"):
        expected.append(NO_CUDA)
    run = subprocess.run(
        [tour, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    print(run.stdout)
    print(run.stderr, file=sys.stderr)
    wrong = [line for line in (missing(run.stdout, e) for e in expected) if line]
    if not run.stdout.startswith("A tour of Tenon on " + (where[0] if where else "cpu")):
        wrong.append("a first line that names the device")
    # A path cannot be broken.
    if any(len(line) > 100 and len(line.split()) > 1 for line in run.stdout.splitlines()):
        wrong.append("lines of at most 100 characters")
    for line in wrong:
        print("tour_test: not found (in this place): " + line)
    if run.returncode:
        print(f"tour_test: the tour ended with {run.returncode}")
    return 1 if wrong or run.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
