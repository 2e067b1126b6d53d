"""Corners of the Array API standard, judged by NumPy."""
import pickle
import unittest

import numpy as np

import tenon


class StandardTest(unittest.TestCase):

  def test_axis_of_nothing_reduces_nothing(self):
    for dtype in ["float32", "int8", "bool"]:
      a = np.array([[0, 1, 2], [3, 0, 5]]).astype(dtype)
      t = tenon.tensor(a)
      for name in ["sum", "prod", "max", "min", "any", "all"]:
        wanted = getattr(np, name)(a, axis=())
        got = getattr(tenon, name)(t, axis=())
        self.assertEqual(str(got.dtype), f"tenon.{wanted.dtype}", (name, dtype))
        np.testing.assert_array_equal(got.numpy(), wanted, name)
    a = np.array([[1., 2.], [3., np.inf]], np.float32)
    t = tenon.tensor(a)
    np.testing.assert_array_equal(tenon.mean(t, axis=()).numpy(), a)
    np.testing.assert_array_equal(tenon.var(t, axis=(), keepdims=True).numpy(), np.array([[0, 0], [0, np.nan]], np.float32))
    np.testing.assert_array_equal(tenon.std(t[0], axis=()).numpy(), np.zeros(2, np.float32))
    np.testing.assert_allclose(tenon.logsumexp(t, axis=()).numpy(), a)

  def test_sort_and_argsort(self):
    random = np.random.default_rng(0)
    for dtype in ["float32", "float64", "int8", "uint16", "int64", "bool"]:
      a = random.integers(0, 5, (4, 7)).astype(dtype)
      if dtype.startswith("float"):
        a[1, 3] = np.nan
      for x in [a, a[::-1, ::-2], a.T, a[:0]]:
        for axis in [0, 1, -1]:
          t = tenon.from_numpy(x)
          np.testing.assert_array_equal(tenon.sort(t, axis=axis).numpy(), np.sort(x, axis=axis))
          np.testing.assert_array_equal(
              tenon.argsort(t, axis=axis).numpy(), np.argsort(x, axis=axis, kind="stable"))
    np.testing.assert_array_equal(
        tenon.sort(tenon.tensor([2, 3, 1]), descending=True).numpy(), [3, 2, 1])
    # Equal elements keep their order also when descending.
    np.testing.assert_array_equal(
        tenon.argsort(tenon.tensor([1, 2, 1, 2]), descending=True).numpy(), [1, 3, 0, 2])

  def test_unique(self):
    random = np.random.default_rng(1)
    for dtype in ["float32", "int8", "uint64", "bool", "complex64"]:
      a = random.integers(0, 4, (5, 6)).astype(dtype)
      if dtype.startswith("complex"):
        a = a + 1j * random.integers(0, 2, (5, 6)).astype(dtype)
      for x in [a, a[::-1, ::2], a[:0], a[2, 3]]:
        t = tenon.from_numpy(np.asarray(x))
        wanted = np.unique_all(x)
        got = tenon.unique_all(t)
        self.assertEqual(got._fields, ("values", "indices", "inverse_indices", "counts"))
        for name in got._fields:
          np.testing.assert_array_equal(getattr(got, name).numpy(), getattr(wanted, name), name)
        np.testing.assert_array_equal(tenon.unique_values(t).numpy(), wanted.values)
        np.testing.assert_array_equal(tenon.unique_counts(t).counts.numpy(), wanted.counts)
        np.testing.assert_array_equal(tenon.unique_inverse(t).inverse_indices.numpy(), wanted.inverse_indices)
    self.assertEqual(tenon.unique_counts(tenon.tensor([float("nan"), 1., float("nan")])).counts.tolist(), [1, 1, 1])
    for call in [tenon.unique_all, tenon.unique_counts, tenon.unique_inverse]:
      got = call(tenon.tensor([2, 1, 2]))
      back = pickle.loads(pickle.dumps(got))
      self.assertEqual((type(back), [x.tolist() for x in back]), (type(got), [x.tolist() for x in got]))

  def test_dtype_of_sums(self):
    t = tenon.tensor([200, 100], dtype="uint8")
    for name in ["sum", "prod"]:
      got = getattr(tenon, name)(t, dtype=tenon.uint8)
      self.assertEqual((got.dtype, got.item()), (tenon.uint8, getattr(np, name)(np.array([200, 100], np.uint8), dtype=np.uint8)))
    self.assertEqual(tenon.sum(t).dtype, tenon.uint64)
    self.assertEqual(tenon.cumulative_sum(t, dtype=tenon.uint8).tolist(), [200, 44])

  def test_complex_numbers(self):
    a = np.array([1 + 2j, -0.5j, 3, -2 + 1j], np.complex128)
    t = tenon.tensor(a)
    for name in ["exp", "log", "sqrt", "sin", "acos", "asinh", "atanh", "tanh", "expm1", "log1p", "sign", "sum", "prod", "mean"]:
      np.testing.assert_allclose(getattr(tenon, name)(t).numpy(), getattr(np, name)(a), rtol=1e-13, err_msg=name)
    np.testing.assert_allclose((t ** (1 + 1j)).numpy(), a ** (1 + 1j), rtol=1e-13)
    full = tenon.full((2,), 1 - 2j)
    self.assertEqual((full.dtype, full.tolist()), (tenon.complex64, [1 - 2j, 1 - 2j]))
    self.assertEqual(tenon.full_like(t, 3j).tolist(), [3j] * 4)
    with self.assertRaisesRegex(tenon.DTypeError, "float32"):
      tenon.full(2, 1j, dtype="float32")

  def test_nextafter(self):
    x = np.array([0., -0., 1., np.inf, np.nan, -1e-310])
    y = np.array([1., -1., 1., 0., 1., np.inf])
    got = tenon.nextafter(tenon.tensor(x), tenon.tensor(y)).numpy()
    np.testing.assert_array_equal(got, np.nextafter(x, y))
    np.testing.assert_array_equal(np.signbit(got), np.signbit(np.nextafter(x, y)))
    h = tenon.nextafter(tenon.tensor([1., 0.], dtype="float16"), 2)
    np.testing.assert_array_equal(h.numpy(), np.nextafter(np.array([1, 0], np.float16), np.float16(2)))

  def test_zeros_of_division(self):
    x, y = np.meshgrid([0., -0., 6., -6., 1.], [3., -3.])
    for ours, theirs in [("floor_divide", np.floor_divide), ("remainder", np.remainder)]:
      got = getattr(tenon, ours)(tenon.tensor(x), tenon.tensor(y)).numpy()
      np.testing.assert_array_equal(got, theirs(x, y))
      np.testing.assert_array_equal(np.signbit(got), np.signbit(theirs(x, y)), ours)

  def test_sort_has_a_gradient(self):
    x = tenon.tensor([3., 1., 2.], requires_grad=True)
    (tenon.sort(x) * tenon.tensor([1., 10., 100.])).sum().backward()
    self.assertEqual(x.grad.tolist(), [100, 1, 10])


if __name__ == "__main__":
  unittest.main()
