"""Who keeps whom alive: any order of destruction, threads, exit, fork. (That nothing leaks: flat_test.py.)"""
import ctypes
import gc
import itertools
import os
import queue
import subprocess
import sys
import threading
import unittest

import numpy as np

import tenon
from conversion_calls import CALLS


class OrderTest(unittest.TestCase):

  def test_any_order_of_destruction(self):
    """array -> tensor -> view -> array -> memoryview -> capsule -> tensor, dropped in every order."""
    for order in itertools.permutations(range(5)):
      a = np.full(1000, 7.0)
      t = tenon.from_numpy(a)
      v = t[100:]
      b = v.numpy()
      c = tenon.from_dlpack(np.from_dlpack(tenon.from_numpy(b[::-1])))
      things = [a, t, v, b, c]
      del a, t, v, b, c
      for i in order:
        things[i] = None
        for left in things:
          if left is not None:
            self.assertEqual(float(left[0]), 7)

  def test_an_exported_array_outlives_its_tensor(self):
    a = tenon.full((1000,), 3.0).numpy()
    filler = [tenon.zeros(1000) for _ in range(20)]
    self.assertEqual(set(a.tolist()), {3.0})
    del filler

  def test_arrays_die_with_their_last_tensor(self):
    class Array(np.ndarray):
      pass

    import weakref
    a = np.zeros(10).view(Array)
    dead = weakref.ref(a)
    t = tenon.from_numpy(a)
    v = t[1:]
    del a, t
    gc.collect()
    self.assertIsNotNone(dead())
    del v
    gc.collect()
    self.assertIsNone(dead())

  def test_weak_references(self):
    import weakref
    t = tenon.zeros(1)
    seen = []
    r = weakref.ref(t, seen.append)
    self.assertIs(r(), t)
    del t
    self.assertEqual(len(seen), 1)


class ThreadTest(unittest.TestCase):

  def run_all(self, work, threads=6):
    errors = []

    def guarded(i):
      try:
        work(i)
      except BaseException as e:  # noqa
        errors.append(e)

    all_threads = [threading.Thread(target=guarded, args=(i,)) for i in range(threads)]
    for t in all_threads:
      t.start()
    for t in all_threads:
      t.join()
    self.assertEqual(errors, [])

  def test_conversions(self):
    self.run_all(lambda i: [CALLS[name]() for _ in range(20) for name in CALLS if name not in ("backward", "hook", "assign", "assign elements", "Tensor")])

  def test_long_calls_run_beside_each_other(self):
    big = [tenon.rand(200_000) for _ in range(6)]
    before = [b.sum().item() for b in big]

    def work(i):
      for _ in range(20):
        x = (big[i] * 2.0 + np.ones(200_000, np.float32)).requires_grad_()
        (x * x).sum().backward()
        assert x.grad.shape == (200_000,)

    self.run_all(work)
    self.assertEqual([b.sum().item() for b in big], before)

  def test_hooks_and_functions_in_threads(self):
    class Double(tenon.autograd.Function):

      @staticmethod
      def forward(ctx, x):
        return x * 2

      @staticmethod
      def backward(ctx, g):
        return g * 2

    def work(i):
      for _ in range(50):
        x = tenon.full((3,), float(i)).requires_grad_()
        seen = []
        y = Double.apply(x)
        y.register_hook(lambda g: seen.append(threading.get_ident()))
        y.sum().backward()
        assert x.grad.tolist() == [2, 2, 2] and seen == [threading.get_ident()]

    self.run_all(work)

  def test_hooks_come_and_go_beside_backward(self):
    """A hook that is removed while another thread's backward is about to call it."""
    w = tenon.rand(40_000).requires_grad_()

    def work(i):
      for _ in range(40):
        handle = w.register_hook(lambda g: None)
        (w * 2.0).sum().backward()
        handle.remove()

    self.run_all(work)

  def test_a_hook_may_remove_the_next_one(self):
    x = tenon.ones(3).requires_grad_()
    seen, handles = [], []
    x.register_hook(lambda g: handles[0].remove())
    handles.append(x.register_hook(lambda g: seen.append(g.tolist())))
    for _ in range(2):
      (x * 2).sum().backward()
    self.assertEqual(seen, [[2, 2, 2]])  # the walk that had begun still called it

  def test_shared_by_all_threads(self):
    """Views, exports and results of shared tensors, dropped by other threads than made them; lists that change meanwhile."""
    shared, array = tenon.rand(40_000), np.ones(40_000, np.float32)
    arrays = [np.ones(4000) for _ in range(20)]
    made = queue.Queue(64)

    def work(i):
      for k in range(30):
        v = shared[i:i + 30_000]
        things = [(v * array[:30_000]).sum(), np.asarray(v), memoryview(shared), shared.numpy()[::-1], tenon.from_dlpack(shared), np.from_dlpack(v)]
        made.put([tenon.from_numpy(np.ones(100)), shared.numpy(), shared + 1])
        stacked = tenon.tensor(arrays)
        arrays[(i + k) % 20] = np.ones(4000)
        assert stacked.sum().item() == 80_000 and len(things) == 6
        made.get()

    self.run_all(work)

  def test_first_use_by_all_threads_at_once(self):
    """What the module learns of NumPy, of ufuncs and dtypes when it first meets them, and what it says once."""
    for _ in range(5):
      done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", FIRST_USE], stderr=subprocess.PIPE, text=True, timeout=60)
      self.assertEqual((done.returncode, done.stderr), (0, ""))

  def test_an_iterator_of_all_threads(self):
    rows, seen = iter(tenon.arange(20_000)), []
    self.run_all(lambda i: seen.append([r.item() for r in rows]))
    self.assertEqual(sorted(itertools.chain(*seen)), list(range(20_000)))

  def test_a_list_that_shrinks_meanwhile(self):
    numbers, stop = [1.0] * 1000, threading.Event()

    def work(i):
      if i == 0:
        for _ in range(2000):
          del numbers[100:]
          numbers.extend(float(k) for k in range(900))
        stop.set()
      while not stop.is_set():
        self.assertTrue(100 <= tenon.tensor(numbers).size <= 1000)

    self.run_all(work)

  def test_memory_dropped_without_the_gil(self):
    """A deleter may be called on a thread that Python does not know: ctypes calls it without the GIL."""

    class Versioned(ctypes.Structure):
      _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]

    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    rename = ctypes.pythonapi.PyCapsule_SetName
    rename.argtypes = [ctypes.py_object, ctypes.c_char_p]
    for _ in range(100):
      a = np.zeros(100)
      before = sys.getrefcount(a)
      capsule = tenon.from_numpy(a).__dlpack__(max_version=(1, 0))
      pointer = get(capsule, b"dltensor_versioned")
      rename(capsule, b"used_dltensor_versioned")
      self.assertEqual(sys.getrefcount(a), before + 1)
      deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(Versioned.from_address(pointer).deleter)
      deleter(pointer)  # CDLL-style functions release the GIL
      tenon.zeros(1 << 15).add_(1)  # a long call empties the list of what waits
      self.assertEqual(sys.getrefcount(a), before)


FIRST_USE = """
import threading, warnings, numpy as np, tenon
warnings.simplefilter("ignore")
barrier, names = threading.Barrier(8), [d.name for d in vars(tenon).values() if isinstance(d, tenon.dtype)]
def use(i):
  barrier.wait()
  a = np.full(3, i, np.float32)
  t = tenon.from_numpy(a)
  assert np.sin(t).tolist() == tenon.sin(tenon.tensor(a)).tolist() and np.add(a, t).tolist() == [2 * i] * 3
  assert [tenon.zeros(2, dtype=n).numpy().shape for n in names] == [(2,)] * len(names)
  assert tenon.tensor([a, a]).sum().item() == 6 * i and tenon.tensor([a[0], a[1]]).tolist() == [i, i]
  assert tenon.Tensor([1]).data.tolist() == [1] and np.asarray(memoryview(t)).tolist() == a.tolist()
threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
[t.start() for t in threads], [t.join() for t in threads]
"""
EXITS = {
    "globals": "a = np.zeros(5); t = tenon.from_numpy(a); b = tenon.zeros(5).numpy(); m = memoryview(tenon.zeros(3))",
    "cycle": "t = tenon.zeros(2).requires_grad_(); l = [t]; t.register_hook(lambda g, l=l: None); l.append(l)",
    "builtins": "import builtins; builtins.keep = tenon.from_numpy(np.zeros(5)); builtins.other = tenon.zeros(3).numpy()",
    "graph": "x = tenon.ones(3).requires_grad_(); y = (x * np.ones(3)).sum()",
    "daemon": "import threading\ndef f():\n  while True: (tenon.ones(100000) * np.ones(100000, np.float32)).sum()\n"
              "t = threading.Thread(target=f, daemon=True); t.start(); import time; time.sleep(0.1)",
    "daemons with hooks": "import threading, time\ndef f():\n  while True:\n    x = tenon.ones(100).requires_grad_()\n"
                          "    x.register_hook(lambda g: sum(range(100)) and None)\n    (x * 2).sum().backward()\n"
                          "for _ in range(3): threading.Thread(target=f, daemon=True).start()\ntime.sleep(0.1)",
    "atexit": "import atexit; t = tenon.zeros(3); atexit.register(lambda: print(t + 1, file=sys.stderr))",
    "function": "class F(tenon.autograd.Function):\n  forward = staticmethod(lambda c, x: x * 2)\n  backward = staticmethod(lambda c, g: g)\n"
                "y = F.apply(tenon.ones(2).requires_grad_())",
    "capsule": "c = tenon.zeros(3).__dlpack__(); d = tenon.from_dlpack(np.zeros(3)); e = np.from_dlpack(tenon.zeros(4))",
    "exception": "t = tenon.zeros(2)\ntry:\n  t[5]\nexcept IndexError as e:\n  kept = e",
    "os._exit in a thread": "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start(); import time; time.sleep(5)",
}


class ExitTest(unittest.TestCase):

  def test_no_crash_at_exit(self):
    for name, code in EXITS.items():
      with self.subTest(name):
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", "import sys, numpy as np, tenon\n" + code], stderr=subprocess.PIPE, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertNotIn("Error", done.stderr.decode())

  def test_fork(self):
    tenon.rand(100_000).sum()  # the pool has started
    pid = os.fork()
    if pid == 0:
      ok = tenon.ones(100_000).sum().item() == 100_000 and tenon.from_numpy(np.ones(3)).sum().item() == 3
      os._exit(0 if ok else 1)
    self.assertEqual(os.waitpid(pid, 0)[1], 0)


if __name__ == "__main__":
  unittest.main()
