"""Reference counts and memory stay flat over many conversions of each kind (conversion_calls.py)."""
import gc
import os
import sys
import time
import unittest
import warnings

from conversion_calls import CALLS, FILES, G, OBJECTS_WATCHED

PAGE = os.sysconf("SC_PAGE_SIZE")
# Calls of each kind. TENON_LIFETIMES=1000000 is the long run, which prints a line for each kind.
REPEAT = int(os.environ.get("TENON_LIFETIMES", "25000"))
LONG = REPEAT > 100_000


def resident():
  with open("/proc/self/statm") as f:
    return int(f.read().split()[1]) * PAGE


class FlatTest(unittest.TestCase):

  def flat(self, name, call, repeat):
    for _ in range(200):
      call()
    G.grad = None
    gc.collect()
    start = time.perf_counter()
    counts = [sys.getrefcount(o) for o in OBJECTS_WATCHED]
    blocks, memory, files = sys.getallocatedblocks(), resident(), len(os.listdir("/proc/self/fd"))
    for _ in range(repeat):
      call()
    G.grad = None
    gc.collect()
    seconds = time.perf_counter() - start
    blocks, memory, files = sys.getallocatedblocks() - blocks, resident() - memory, len(os.listdir("/proc/self/fd")) - files
    references = [sys.getrefcount(o) - before for o, before in zip(OBJECTS_WATCHED, counts)]
    if LONG:
      print("%-30s %8d calls %8.2f us each: references %+d, Python's blocks %+d, resident %+d KiB" %
            (name, repeat, seconds / repeat * 1e6, max(references, key=abs), blocks, memory // 1024), file=sys.stderr, flush=True)
    self.assertLess(max(map(abs, references)), 10)
    self.assertLess(abs(blocks), 1000 + repeat // 1000)  # without a GIL the count trails by some hundreds
    self.assertLess(memory, 1_500_000 + repeat)  # a byte a call
    self.assertEqual(files, 0)

  def test_conversions(self):
    warnings.simplefilter("ignore")
    for name, call in CALLS.items():
      with self.subTest(name):
        self.flat(name, call, REPEAT)

  def test_files(self):
    for name, call in FILES.items():
      with self.subTest(name):
        # Some take a hundred times as long as the others.
        self.flat(name, call, REPEAT if LONG else REPEAT // 50)


class TheTestSees(unittest.TestCase):
  """A leak of a reference, of memory or of a file is seen."""

  def test_leaks(self):
    kept = []
    for leak in [lambda: kept.append(OBJECTS_WATCHED[0]), lambda: kept.append(bytearray(4096)), lambda: kept.append(object()),
                 lambda: kept.append(os.open("/", os.O_RDONLY)) if len(kept) < 300 else None]:
      with self.assertRaises(AssertionError):
        FlatTest().flat("leak", leak, 5000)
      for k in kept:
        if type(k) is int:
          os.close(k)
      kept.clear()


if __name__ == "__main__":
  unittest.main()
