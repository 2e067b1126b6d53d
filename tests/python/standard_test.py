"""Corners of the Array API standard, judged by NumPy."""
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

  def test_sort_has_a_gradient(self):
    x = tenon.tensor([3., 1., 2.], requires_grad=True)
    (tenon.sort(x) * tenon.tensor([1., 10., 100.])).sum().backward()
    self.assertEqual(x.grad.tolist(), [100, 1, 10])


if __name__ == "__main__":
  unittest.main()
