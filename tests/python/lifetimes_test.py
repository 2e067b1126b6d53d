"""Who keeps whom alive: reference counts and memory flat over many conversions, any order of destruction, threads, exit, fork."""
import ctypes
import gc
import itertools
import os
import queue
import subprocess
import sys
import threading
import time
import unittest

import numpy as np

import tenon

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident():
  with open("/proc/self/statm") as f:
    return int(f.read().split()[1]) * PAGE


def refused(call):
  try:
    call()
  except (tenon.Error, TypeError, IndexError, BufferError):
    return
  raise AssertionError("not refused")


def take(capsule):
  tenon.from_dlpack(capsule)


A = np.arange(64, dtype=np.float32)
RO = A.copy()
RO.flags.writeable = False
SWAPPED, OBJECTS = A.astype(">f4"), np.array([None, object()])
T = tenon.arange(64.0)
M = tenon.zeros((4, 4))
G = tenon.arange(64.0).requires_grad_()
CALLS = {
    "from_numpy": lambda: tenon.from_numpy(A),
    "from_numpy reversed view": lambda: tenon.from_numpy(A[::-1])[3:],
    "from_numpy read-only": lambda: tenon.from_numpy(RO),
    "as_tensor": lambda: tenon.as_tensor(A),
    "as_tensor, copying": lambda: tenon.as_tensor(A, dtype="float64"),
    "tensor(array)": lambda: tenon.tensor(A),
    "tensor(list)": lambda: tenon.tensor([1.0, 2.0, 3]),
    "tensor(list of arrays)": lambda: tenon.tensor([A, A]),
    "tensor(list of tensors)": lambda: tenon.tensor([T, T]),
    "numpy": lambda: T.numpy()[1:],
    "numpy of a reversed view": lambda: T[::-2].numpy(),
    "numpy(force)": lambda: G.numpy(force=True),
    "asarray": lambda: np.asarray(T),
    "asarray of a reversed view": lambda: np.asarray(M[::-1, ::2]),
    "memoryview": lambda: memoryview(T).release(),
    "buffer in": lambda: tenon.as_tensor(memoryview(A)),
    "dlpack out": lambda: T.__dlpack__(max_version=(1, 0)),
    "dlpack out old": lambda: T.__dlpack__(),
    "dlpack in": lambda: tenon.from_dlpack(A),
    "dlpack round": lambda: take(T.__dlpack__(max_version=(1, 0))),
    "np.from_dlpack": lambda: np.from_dlpack(T),
    "mixed operators": lambda: A + T + A,
    "ufunc": lambda: np.sin(T),
    "tolist": lambda: T.tolist(),
    "item": lambda: T[3].item(),
    "iterate": lambda: list(M),
    "views": lambda: (M.T, M.reshape(16), M[1, 2], M[..., None, 1]),
    "index": lambda: (T[1:5], T[[1, 2]], T[T > 3]),
    "assign": lambda: T.__setitem__(slice(0, 3), A[:3]),
    "assign elements": lambda: (T.__setitem__(5, 1.5), M.__setitem__((1, 2), 3)),
    "repr": lambda: repr(T[:3]),
    "explain": lambda: tenon.explain(A, dtype="float64"),
    "backward": lambda: (G * A).sum().backward(),
    "hook": lambda: G.register_hook(lambda g: None).remove(),
    "attributes": lambda: (T.shape, T.dtype, T.device, T.grad, T.strides),
    "refused: swapped": lambda: refused(lambda: tenon.from_numpy(SWAPPED)),
    "refused: objects": lambda: refused(lambda: tenon.tensor(OBJECTS)),
    "refused: gradient": lambda: refused(lambda: G.numpy()),
    "refused: copy=False": lambda: refused(lambda: tenon.as_tensor(A, dtype="int8", copy=False)),
    "refused: ragged": lambda: refused(lambda: tenon.tensor([[1], [2, 3]])),
    "refused: text": lambda: refused(lambda: tenon.tensor(["a"])),
    "refused: index": lambda: refused(lambda: T[100]),
    "refused: assigned index": lambda: refused(lambda: T.__setitem__(100, 1.0)),
    "refused: assigned number": lambda: refused(lambda: T.__setitem__(1, 1 << 70)),
    "refused: buffer": lambda: refused(lambda: memoryview(G)),
    "refused: read-only": lambda: refused(lambda: tenon.from_numpy(RO).add_(1)),
    "refused: dlpack": lambda: refused(lambda: tenon.from_dlpack(T.__dlpack__(copy=True)).reshape(7)),
}
OBJECTS_WATCHED = [A, RO, SWAPPED, OBJECTS, T, M, G, tenon.float32, tenon.Tensor, np.dtype(np.float32)]
# Calls of each kind. TENON_LIFETIMES=1000000 is the long run, which prints a line for each kind.
REPEAT = int(os.environ.get("TENON_LIFETIMES", "50000"))
LONG = REPEAT > 100_000


class FlatTest(unittest.TestCase):

  def test_reference_counts_and_memory(self):
    for name, call in CALLS.items():
      with self.subTest(name):
        for _ in range(200):
          call()
        G.grad = None
        gc.collect()
        start = time.perf_counter()
        counts = [sys.getrefcount(o) for o in OBJECTS_WATCHED]
        blocks, memory = sys.getallocatedblocks(), resident()
        for _ in range(REPEAT):
          call()
        G.grad = None
        gc.collect()
        seconds = time.perf_counter() - start
        blocks, memory = sys.getallocatedblocks() - blocks, resident() - memory
        references = [sys.getrefcount(o) - before for o, before in zip(OBJECTS_WATCHED, counts)]
        if LONG:
          print("%-28s %8d calls %7.2f us each: references %+d, Python's blocks %+d, resident %+d KiB" %
                (name, REPEAT, seconds / REPEAT * 1e6, max(references, key=abs), blocks, memory // 1024), file=sys.stderr, flush=True)
        self.assertLess(max(map(abs, references)), 10)
        self.assertLess(abs(blocks), 100 + REPEAT // 1000)
        self.assertLess(memory, 1_500_000 + REPEAT)  # a byte a call


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
    self.run_all(lambda i: [CALLS[name]() for _ in range(20) for name in CALLS if name not in ("backward", "hook", "assign", "assign elements")])

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
