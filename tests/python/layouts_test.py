"""Every way into a tensor and out of it, over every dtype and layout (array_cases.py): the same values, dtype and shape, shared, copied or
refused as design/interop.md says. Shared is proven by NumPy's addresses, and what may be written stays so."""
import copy
import os
import pickle
import tempfile
import unittest
import warnings

import numpy as np

import tenon
from array_cases import DTYPES, FOREIGN, ArrayOnly, DlpackOnly, InterfaceOnly, layouts, native

COPIES, SHARES_OR_COPIES, SHARES_OR_REFUSES = "copies", "shares or copies", "shares or refuses"
CANNOT_SHARE = "use tensor\\(\\) or as_tensor\\(\\)|can't alias the array"


def of_ml_dtypes(a):
  return np.dtype(a.dtype).isbuiltin != 1 and a.dtype.isnative and a.dtype.kind in "Vf" and a.dtype.type.__module__ == "ml_dtypes"


def no_dlpack(a, layout):
  """What NumPy itself does not put into a capsule."""
  if of_ml_dtypes(a) or layout in ("field of a packed record", "byte-swapped"):
    return BufferError, "DLPack only supports"


def no_copied_dlpack(a, layout):
  return no_dlpack(a, "a copy by NumPy" if layout == "field of a packed record" else layout)


def no_old_dlpack(a, layout):
  return no_dlpack(a, layout) if a.flags.writeable else (BufferError, "readonly")


def no_buffer(a, layout):
  return (ValueError, "cannot include dtype") if of_ml_dtypes(a) else None


def no_interface(a, layout):
  return (TypeError, "typestr '<[Vf][12]', for which there is no dtype.*astype\\(\\)") if of_ml_dtypes(a) else None


def assigned(a):
  t = tenon.empty(a.shape, dtype=native(a.dtype))
  t[...] = a
  return t


# name: call, what it does with the memory, what cannot be asked of it
INTO = {
    "tensor": (tenon.tensor, COPIES, None),
    "tensor(nested lists)": (lambda a: tenon.tensor(a.tolist(), dtype=native(a.dtype)), COPIES, None),
    "tensor(list of arrays)": (lambda a: tenon.tensor([a, a])[1], COPIES, None),
    "from_numpy": (tenon.from_numpy, SHARES_OR_REFUSES, None),
    "as_tensor": (tenon.as_tensor, SHARES_OR_COPIES, None),
    "as_tensor(copy=False)": (lambda a: tenon.as_tensor(a, copy=False), SHARES_OR_REFUSES, None),
    "as_tensor(copy=True)": (lambda a: tenon.as_tensor(a, copy=True), COPIES, None),
    "asarray": (tenon.asarray, SHARES_OR_COPIES, None),
    "asarray(copy=False)": (lambda a: tenon.asarray(a, copy=False), SHARES_OR_REFUSES, None),
    "asarray(copy=True)": (lambda a: tenon.asarray(a, copy=True), COPIES, None),
    "from_dlpack": (tenon.from_dlpack, SHARES_OR_COPIES, no_dlpack),
    "from_dlpack(copy=True)": (lambda a: tenon.from_dlpack(a, copy=True), COPIES, no_copied_dlpack),
    "a capsule": (lambda a: tenon.from_dlpack(a.__dlpack__(max_version=(1, 0))), SHARES_OR_COPIES, no_dlpack),
    "__dlpack__": (lambda a: tenon.as_tensor(DlpackOnly(a)), SHARES_OR_COPIES, no_dlpack),
    "__dlpack__ without versions": (lambda a: tenon.as_tensor(DlpackOnly(a, old=True)), SHARES_OR_COPIES, no_old_dlpack),
    "__array_interface__": (lambda a: tenon.as_tensor(InterfaceOnly(a)), SHARES_OR_COPIES, no_interface),
    "__array__": (lambda a: tenon.as_tensor(ArrayOnly(a)), SHARES_OR_COPIES, None),
    "buffer": (lambda a: tenon.as_tensor(memoryview(a)), SHARES_OR_COPIES, no_buffer),
    "assignment": (assigned, COPIES, None),
    "concat": (lambda a: tenon.concat([a, a], axis=None)[a.size:].reshape(a.shape), COPIES, None),
}


def plain_type(a):
  """Can every array protocol say this dtype?"""
  return not of_ml_dtypes(a)


# Files are written until they are on the disk, which takes a millisecond where there is one.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def through_file(ending, **keywords):
  def call(t):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
      path = os.path.join(folder, "a" + ending)
      tenon.save(path, t if ending == ".npy" else {"a": t}, **keywords.get("save", {}))
      back = tenon.load(path, **keywords.get("load", {}))
      return back if ending == ".npy" else back["a"]

  return call


# name: call, does it share, for which arrays
OUT = {
    "numpy": (lambda t: t.numpy(), True, None),
    "numpy(force=True)": (lambda t: t.numpy(force=True), True, None),
    "np.asarray": (np.asarray, True, None),
    "np.array": (np.array, False, None),
    "__array_interface__": (lambda t: np.asarray(InterfaceOnly(t)), True, plain_type),
    "np.from_dlpack": (np.from_dlpack, True, plain_type),
    "np.from_dlpack(copy=True)": (lambda t: np.from_dlpack(t, copy=True), False, plain_type),
    "buffer": (lambda t: np.asarray(memoryview(t)), True, plain_type),
    "a list": (lambda t: np.array(t.tolist(), dtype=np.dtype(t.dtype)).reshape(t.shape), False, None),
    "detach": (lambda t: t.detach(), True, None),
    "cpu": (lambda t: t.cpu(), True, None),
    "clone": (lambda t: t.clone(), False, None),
    "to(copy=True)": (lambda t: t.to("cpu", copy=True), False, None),
    "pickle": (lambda t: pickle.loads(pickle.dumps(t)), False, None),
    "pickle, old": (lambda t: pickle.loads(pickle.dumps(t, protocol=2)), False, None),
    "copy": (copy.copy, True, None),
    "deepcopy": (copy.deepcopy, False, None),
    "npy": (through_file(".npy"), False, plain_type),
    "npy, mapped": (through_file(".npy", load={"mmap": True}), False, plain_type),
    "npz": (through_file(".npz"), False, plain_type),
    "npz, compressed": (through_file(".npz", save={"compressed": True}), False, plain_type),
    "safetensors": (through_file(".safetensors"), False, lambda a: a.dtype != np.complex128),
}


class LayoutsTest(unittest.TestCase):

  def setUp(self):
    warnings.simplefilter("ignore")

  def same(self, made, a):
    self.assertEqual(np.dtype(made.dtype), native(a.dtype))
    self.assertEqual(made.shape, a.shape)
    np.testing.assert_array_equal(np.asarray(made), a)

  def shares(self, made, a):
    return np.shares_memory(np.asarray(made), a)

  def test_into(self):
    seen = set()
    for name, (call, memory, cannot) in INTO.items():
      for dtype in DTYPES:
        for layout, a, shareable in layouts(dtype):
          with self.subTest(call=name, dtype=str(np.dtype(dtype)), layout=layout):
            refusal = cannot and cannot(a, layout)
            if not refusal and memory is SHARES_OR_REFUSES and not shareable:
              refusal = ValueError, CANNOT_SHARE
            if refusal:
              with self.assertRaisesRegex(*refusal):
                call(a)
              continue
            t = call(a)
            self.same(t, a)
            shared = memory is not COPIES and shareable and a.size > 0
            self.assertEqual(self.shares(t, a), shared)
            if shared or not a.size:
              self.assertEqual(t.read_only, memory is not COPIES and not a.flags.writeable)
            else:
              self.assertFalse(t.read_only)
            seen.add((name, memory, shared))
    for name, (_, memory, _) in INTO.items():  # both outcomes were there
      self.assertIn((name, memory, memory is not COPIES), seen)

  def test_out(self):
    for name, (call, shares, holds) in OUT.items():
      for dtype in DTYPES:
        for layout, a, shareable in layouts(dtype):
          if not shareable or (holds and not holds(a)):
            continue
          with self.subTest(call=name, dtype=str(np.dtype(dtype)), layout=layout):
            t = tenon.from_numpy(a)
            made = call(t)
            self.same(made, a)
            self.assertEqual(self.shares(made, a), shares and a.size > 0)
            if shares and a.size:
              writable = not made.read_only if isinstance(made, tenon.Tensor) else made.flags.writeable
              self.assertEqual(writable, a.flags.writeable)

  def test_what_the_protocols_cannot_say(self):
    for dtype in DTYPES:
      t = tenon.from_numpy(np.zeros(3, dtype))
      if plain_type(np.zeros(1, dtype)):
        continue
      for name, call, error, text in [("buffer", memoryview, BufferError, r"float\(\)"), ("DLPack, in NumPy's words", np.from_dlpack, RuntimeError, "dtype"),
                                      ("npy", through_file(".npy"), TypeError, 'view_as = "bits"'), ("npz", through_file(".npz"), TypeError, 'view_as = "bits"')]:
        with self.subTest(name=name, dtype=str(t.dtype)), self.assertRaisesRegex(error, text):
          call(t)
    with self.assertRaisesRegex(TypeError, "complex128"):
      through_file(".safetensors")(tenon.zeros(2, dtype="complex128"))

  def test_foreign_dtypes(self):
    """Objects, text, dates, records, long doubles: every way in refuses them as a TypeError that names the dtype, or NumPy does before."""
    ours = {"tensor", "tensor(list of arrays)", "from_numpy", "as_tensor", "as_tensor(copy=False)", "as_tensor(copy=True)", "asarray",
            "asarray(copy=False)", "asarray(copy=True)", "__array__", "concat"}
    calls = {name: call for name, (call, _, _) in INTO.items()}
    calls["assignment"] = lambda a: tenon.zeros(a.shape).__setitem__(Ellipsis, a)
    calls["Tensor"] = tenon.Tensor
    calls["operand"] = lambda a: tenon.zeros(a.shape) + a
    calls["operand, NumPy's first"] = lambda a: a + tenon.zeros(a.shape)
    del calls["tensor(nested lists)"]  # no dtype is left there
    for name, call in calls.items():
      for a in FOREIGN:
        with self.subTest(call=name, dtype=str(a.dtype)), self.assertRaises((TypeError, ValueError, BufferError)) as caught:
          call(a)
        if name in ours | {"assignment", "Tensor", "operand"}:
          self.assertIsInstance(caught.exception, (tenon.Error, TypeError))
          self.assertRegex(str(caught.exception), "np.ndarray of type ")


if __name__ == "__main__":
  unittest.main()
