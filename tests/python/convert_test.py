"""Every conversion over all dtypes and layouts, against the table of design/interop.md; shared is proven by writing through."""
import os
import subprocess
import sys
import unittest

import numpy as np

import tenon
from array_cases import DTYPES, FOREIGN, filled, layouts, native


def equal(test, t, a):
  test.assertEqual(t.shape, a.shape)
  np.testing.assert_array_equal(np.asarray(t.detach().cpu()), a.astype(native(a.dtype)))


class ConvertTest(unittest.TestCase):

  def each(self, check):
    for dtype in DTYPES:
      for name, a, shared in layouts(dtype):
        with self.subTest(dtype=str(np.dtype(dtype)), layout=name):
          check(a, shared)

  def test_tensor_always_copies(self):
    def check(a, shared):
      t = tenon.tensor(a)
      equal(self, t, a)
      self.assertEqual(t.dtype, native(a.dtype))
      self.assertTrue(t.is_contiguous() and not t.read_only)
      if a.size:
        before = a.copy()
        t.fill_(1)
        np.testing.assert_array_equal(a, before)

    self.each(check)

  def check_shared(self, t, a):
    equal(self, t, a)
    self.assertEqual(t.read_only, not a.flags.writeable)
    if a.size and a.flags.writeable:
      a[...] = 1
      self.assertTrue(all(v == 1 for v in np.asarray(t).flat))
      if 0 not in t.strides or t.ndim == 0:
        t.fill_(0)
        self.assertTrue((a == 0).all())

  def test_from_numpy_shares_or_refuses(self):
    def check(a, shared):
      if shared:
        self.check_shared(tenon.from_numpy(a), a)
      else:
        with self.assertRaisesRegex(ValueError, r"from_numpy: given numpy array .*: use tensor\(\) or as_tensor\(\)"):
          tenon.from_numpy(a)

    self.each(check)

  def test_as_tensor_shares_or_copies(self):
    def check(a, shared):
      said = tenon.explain(a)
      self.assertEqual(said.shared, shared, said.text)
      if shared:
        self.check_shared(tenon.as_tensor(a, copy=False), a)
        copy = tenon.as_tensor(a, copy=True)
        self.assertFalse(copy.read_only)
        if a.size:
          before = a.copy()
          copy.fill_(1)
          np.testing.assert_array_equal(a, before)
      else:
        equal(self, tenon.as_tensor(a), a)
        with self.assertRaisesRegex(ValueError, "can't alias the array"):
          tenon.as_tensor(a, copy=False)

    self.each(check)

  def test_there_and_back(self):
    def check(a, shared):
      if not shared:
        return
      back = tenon.from_numpy(a).numpy()
      self.assertEqual(back.dtype, a.dtype)
      self.assertEqual(back.flags.writeable, a.flags.writeable)
      self.assertEqual(back.shape, a.shape)
      np.testing.assert_array_equal(back, a)
      if a.size:
        self.assertTrue(np.shares_memory(back, a))
        for size, mine, theirs in zip(a.shape, back.strides, a.strides):
          self.assertTrue(size <= 1 or mine == theirs)

    self.each(check)

  def test_lists(self):
    for dtype in DTYPES:
      a = filled((2, 3), dtype)
      with self.subTest(str(a.dtype)):
        t = tenon.tensor(a.tolist(), dtype=a.dtype)
        equal(self, t, a)
        self.assertEqual(t.tolist(), a.tolist())
        self.assertEqual([type(v) for v in t[0].tolist()], [type(v) for v in a[0].tolist()] if a.dtype.isbuiltin == 1 else [float] * 3)
        equal(self, tenon.tensor(list(a)), a)  # a list of arrays
        equal(self, tenon.tensor([list(row) for row in a]), a)  # of NumPy's scalars
        equal(self, tenon.tensor([tenon.tensor(row) for row in a]), a)  # of tensors

  def test_foreign_dtypes_are_refused_everywhere(self):
    for a in FOREIGN:
      for call in [tenon.tensor, tenon.as_tensor, tenon.from_numpy, lambda x: tenon.zeros(x.shape) + x, tenon.explain]:
        with self.subTest(str(a.dtype)), self.assertRaises(TypeError) as caught:
          call(a)
        self.assertIn("np.ndarray of type", str(caught.exception))

  def test_not_numbers(self):
    for x, text in [("text", "invalid data type 'str'"), (b"bytes", None), (["a"], "invalid data type 'str'"), (None, "Could not infer dtype of NoneType"),
                    ({}, "Could not infer dtype of dict"), ([None], "NoneType"), ([[1], [2, 3]], r"expected sequence of length 1 at dim 1 \(got 2\)"),
                    ([[1, 2], 3], "not a sequence"), ([1, [2]], "expected numbers at the innermost dim"), (object(), "Could not infer dtype of object")]:
      if text is None:
        self.assertEqual(tenon.tensor(x).dtype, tenon.uint8)  # bytes have a buffer
        continue
      with self.subTest(repr(x)), self.assertRaisesRegex(tenon.Error, text):
        tenon.tensor(x)
    endless = []
    endless.append(endless)
    with self.assertRaisesRegex(ValueError, "too many dimensions"):
      tenon.tensor(endless)

  def test_elements_that_change_their_list(self):
    class Element:
      """Empties the list that it stands in when it is read."""

      def __init__(self, of, back):
        self.of, self.back = of, back

      def __index__(self):
        self.of.clear()
        self.of.extend(object() for _ in range(3))
        self.junk = [bytearray(100) for _ in range(5000)]
        return self.back

      def __float__(self):
        return float(self.__index__())

    for dtype in ["int64", "float64", "complex64", None]:
      for place in [0, 2000]:
        numbers = [10**6 + i for i in range(4000)]
        wanted = numbers[:place] + [7] + numbers[place:]
        numbers.insert(place, Element(numbers, 7))
        self.assertEqual(tenon.tensor(numbers, dtype=dtype).tolist(), wanted)
        rows = [[1, 2], [3, 4]]
        rows[1][0] = Element(rows, 5)
        self.assertEqual(tenon.tensor(rows, dtype=dtype).tolist(), [[1, 2], [5, 4]])

  def test_dtypes_never_change_silently(self):
    for x, dtype, text in [(300, "uint8", "overflow"), (-1, "uint8", "overflow"), (2**63, "int64", "overflow"), (1.5, "int32", "behind the point"),
                           ([1j], "float32", "imaginary"), (2**64, None, "overflow"), (np.array(300), "uint8", "overflow"),
                           (np.array([1.5]), "int64", "behind the point"), (np.array([1j]), "float32", "imaginary")]:
      with self.subTest(repr(x)), self.assertRaisesRegex(TypeError, text):
        tenon.tensor(x, dtype=dtype)
    self.assertEqual(tenon.tensor(2**64 - 1, dtype="uint64").item(), 2**64 - 1)
    self.assertEqual(tenon.tensor(255, dtype=np.uint8).item(), 255)
    self.assertEqual(tenon.tensor(1.9).to(tenon.int32).item(), 1)

  def test_numbers(self):
    for value, dtype in [(3, "int64"), (2.5, "float32"), (True, "bool"), (1 + 2j, "complex64")]:
      t = tenon.tensor(value)
      self.assertEqual((t.dtype.name, t.shape, t.item()), (dtype, (), value))
      self.assertEqual(complex(t), complex(value))
    self.assertEqual((int(tenon.tensor(2.9)), float(tenon.tensor([[3]])), bool(tenon.tensor([0.0]))), (2, 3.0, False))
    self.assertEqual([10, 11, 12][tenon.tensor(1)], 11)
    self.assertEqual(list(range(3))[: tenon.tensor([2])], [0, 1])
    for call, error, text in [(lambda: bool(tenon.zeros(2)), ValueError, "Boolean value of Tensor with more than one value is ambiguous"),
                              (lambda: bool(tenon.zeros(0)), ValueError, "no values is ambiguous"),
                              (lambda: float(tenon.zeros(2)), ValueError, "only one element tensors can be converted to Python scalars"),
                              (lambda: [1, 2][tenon.tensor(1.0)], TypeError, "only integer tensors of a single element can be converted to an index"),
                              (lambda: float(tenon.tensor(1j)), TypeError, "complex"),
                              (lambda: len(tenon.tensor(1)), TypeError, r"len\(\) of a 0-d tensor"),
                              (lambda: list(tenon.tensor(1)), TypeError, "iteration over a 0-d tensor")]:
      with self.assertRaisesRegex(error, text):
        call()

  def test_identity(self):
    a, b = tenon.tensor([1]), tenon.tensor([1])
    self.assertEqual(len({a, b, a}), 2)
    self.assertIsInstance(a == b, tenon.Tensor)
    self.assertEqual({a: "a"}[a], "a")

  def test_the_documented_way_to_numpy(self):
    """The same tests where NumPy's structs are not relied on (numpy_array.h)."""
    if "TENON_NUMPY" not in os.environ:
      done = subprocess.run([sys.executable, __file__], env=dict(os.environ, TENON_NUMPY="interface"), stderr=subprocess.PIPE)
      self.assertEqual(done.returncode, 0, done.stderr.decode())

  def test_explain(self):
    a = np.zeros(6, np.int64)
    said = tenon.explain(a, dtype=tenon.float32)
    self.assertFalse(said.shared)
    self.assertEqual((said.bytes, said.dtype, said.device), (24, (tenon.int64, tenon.float32), ("cpu", "cpu")))
    self.assertIn("dtype changes", said.why)
    self.assertEqual(tenon.explain(tenon.zeros(3), to="numpy").shared, True)
    self.assertEqual(tenon.explain([1, 2, 3]).shared, False)
    self.assertEqual(tenon.explain(tenon.zeros(3), to="cpu").shared, True)


if __name__ == "__main__":
  unittest.main()
