"""t[...] and t[...] = v against NumPy, over generated keys: what is taken, what is shared, what is refused."""
import itertools
import random
import unittest

import numpy as np

import tenon


def item(rng, size):
  """One position of a key for an axis of this size."""
  kind = rng.randrange(8)
  if kind == 0 and size:
    return rng.randrange(-size, size)
  if kind == 1:
    return slice(rng.choice([None, *range(-size - 1, size + 2)]), rng.choice([None, *range(-size - 1, size + 2)]), rng.choice([None, 1, 2, 3, -1, -2]))
  if kind == 2:
    return None
  if kind == 3:
    return Ellipsis
  if kind == 4 and size:
    return np.array([rng.randrange(-size, size) for _ in range(rng.choice([0, 1, 3]))], dtype=rng.choice([np.int64, np.int32, np.int8]))
  if kind == 5:
    return np.array([rng.random() < 0.5 for _ in range(size)], dtype=bool)
  if kind == 6 and size:
    return [rng.randrange(size) for _ in range(3)]
  return slice(None)


def keys(count, seed=0):
  rng = random.Random(seed)
  for _ in range(count):
    shape = tuple(rng.choice([0, 1, 2, 3, 4]) for _ in range(rng.randrange(1, 5)))
    items, axis, ellipsis = [], 0, False
    while axis < len(shape) and rng.random() < 0.85:
      one = item(rng, shape[axis])
      if one is Ellipsis:
        if ellipsis:
          continue
        ellipsis = True
      elif one is not None and not ellipsis:
        axis += 1
      elif one is not None and ellipsis:
        # what stands after the ellipsis counts from the end: only slices fit everywhere
        one = slice(None, None, rng.choice([1, -1, 2]))
        axis += 1
      items.append(one)
    yield shape, items[0] if len(items) == 1 and rng.random() < 0.5 else tuple(items)


def as_ours(key):
  """The same key with tensors for arrays."""
  if isinstance(key, tuple):
    return tuple(as_ours(k) for k in key)
  return tenon.tensor(key) if isinstance(key, np.ndarray) else key


class IndexTest(unittest.TestCase):

  def test_get(self):
    taken = 0
    for shape, key in keys(4000):
      a = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
      t = tenon.tensor(a)
      with self.subTest(shape=shape, key=key):
        try:
          expected = a[key]
        except IndexError:
          with self.assertRaises(IndexError):
            t[as_ours(key)]
          continue
        got = t[as_ours(key)]
        self.assertEqual(got.shape, expected.shape)
        np.testing.assert_array_equal(got.numpy(), expected)
        np.testing.assert_array_equal(t[key].numpy(), expected)  # arrays as keys
        taken += 1
    self.assertGreater(taken, 2500)

  def test_set(self):
    for shape, key in keys(3000, seed=1):
      a = np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape)
      t = tenon.tensor(a)
      with self.subTest(shape=shape, key=key):
        try:
          target = a[key]
        except IndexError:
          with self.assertRaises(IndexError):
            t[as_ours(key)] = 0
          continue
        values = -np.arange(1, target.size + 1, dtype=np.float32).reshape(target.shape)
        for value in [values, 7.0, values[..., :1] if target.ndim and target.size else values]:
          a[key] = value
          t[as_ours(key)] = tenon.tensor(value) if isinstance(value, np.ndarray) else value
          np.testing.assert_array_equal(t.numpy(), a)

  def test_basic_keys_share(self):
    a = np.zeros((4, 5, 6), np.float32)
    for key in [0, -1, slice(1, 3), (Ellipsis, 0), (slice(None), None, slice(None, None, -2)), (1, 2, 3), (None, 0), Ellipsis]:
      t = tenon.from_numpy(a)
      view = t[key]
      view.fill_(1)
      expected = np.zeros_like(a)
      expected[key] = 1
      np.testing.assert_array_equal(a, expected)
      a[...] = 0

  def test_advanced_keys_copy(self):
    t = tenon.arange(5)
    t[[0, 1]].fill_(9)
    self.assertEqual(t.tolist(), [0, 1, 2, 3, 4])
    t[tenon.tensor([True, False, True, False, False])] = -1
    self.assertEqual(t.tolist(), [-1, 1, -1, 3, 4])
    t[t < 0] = t[t > 0][:2]
    self.assertEqual(t.tolist(), [1, 1, 3, 3, 4])

  def test_masks_of_every_shape(self):
    """A mask that fits, one that does not, and one of size 0, which fits every axis and picks nothing."""
    shapes = [s for n in range(3) for s in itertools.product(range(3), repeat=n)]
    taken = refused = 0
    for shape, mask_shape, value in itertools.product(shapes, shapes, [False, True]):
      a = np.arange(float(np.prod(shape))).reshape(shape)
      mask, t = np.full(mask_shape, value), tenon.tensor(a)
      with self.subTest(shape=shape, mask=mask):
        try:
          expected = a[mask]
        except IndexError:
          refused += 1
          with self.assertRaises(IndexError):
            t[mask]
          with self.assertRaises(IndexError):
            t[tenon.tensor(mask)] = 7
          self.assertEqual(t.tolist(), a.tolist())
          continue
        taken += 1
        got = t[tenon.tensor(mask)]
        self.assertEqual((got.shape, got.tolist()), (expected.shape, expected.tolist()))
        a[mask] = 7
        t[tenon.tensor(mask)] = 7
        self.assertEqual(t.tolist(), a.tolist())
        a[mask] = expected
        t[mask] = tenon.tensor(expected)
        self.assertEqual(t.tolist(), a.tolist())
    self.assertGreater(taken, 100)
    self.assertGreater(refused, 100)
    with self.assertRaisesRegex(IndexError, r"The shape of the mask \[2\] at index 0 does not match the shape of the indexed tensor float32\[2, 3\] on cpu "
                                r"at index 1 \(item 1\): size 2 where axis 1 has 3\. .*broadcast_to"):
      tenon.zeros((2, 3))[:, tenon.tensor([True, False])]

  def test_gradient(self):
    for key in [slice(None, None, -1), (0, slice(None)), [1, 1, 0], ([0, 1], [2, 2]), np.array([[True, False, True], [False, True, False]])]:
      x = tenon.rand(2, 3).to(tenon.float64).requires_grad_()
      y = x[as_ours(key)]
      weights = tenon.arange(float(y.size), dtype="float64").reshape(y.shape) + 1
      (y * weights).sum().backward()
      expected = np.zeros((2, 3))
      np.add.at(expected, key if not isinstance(key, list) else np.array(key), weights.numpy())
      np.testing.assert_array_equal(x.grad.numpy(), expected)

  def test_values_are_cast_and_broadcast(self):
    t = tenon.zeros((2, 3), dtype="int32")
    t[0] = [1, 2, 3]
    t[:, 1] = np.array([[7], [8]])[:, 0]
    t[1, 2] = True
    t[1][0] = np.int64(5)
    self.assertEqual(t.tolist(), [[1, 7, 3], [5, 8, 1]])

  def test_values_keep_their_digits(self):
    for dtype, numbers in [("float64", [0.1, 1e-200]), ("complex128", [0.1, 1e-200]), ("complex128", [0.1j, 1e-200j])]:
      t, wanted = tenon.zeros(2, dtype=dtype), np.array(numbers, dtype).tolist()
      t[:] = numbers
      self.assertEqual(t.tolist(), wanted)
      t[tenon.tensor([1, 0])] = numbers
      self.assertEqual(t.tolist(), wanted[::-1])
      t[0] = numbers[0]
      self.assertEqual(t[0].item(), wanted[0])

  def test_refusals(self):
    t = tenon.zeros((2, 3))
    for key, error in [(2, IndexError), ((0, 3), IndexError), ((0, 0, 0), IndexError), (1.0, IndexError), ("a", IndexError), ((Ellipsis, Ellipsis), tenon.Error),
                       (np.array([0.5]), (IndexError, TypeError)), (np.array([5]), IndexError), (np.zeros(3, bool), IndexError), (slice(0, 2, 0), ValueError),
                       (slice(0.5, None), TypeError)]:
      with self.subTest(repr(key)), self.assertRaises(error):
        t[key]
      with self.subTest(repr(key)), self.assertRaises(error):
        t[key] = 0
    with self.assertRaises(ValueError):
      t[0] = [1, 2]
    with self.assertRaises(TypeError):
      del t[0]
    leaf = tenon.zeros(2).requires_grad_()
    with self.assertRaisesRegex(RuntimeError, "leaf"):
      leaf[0] = 1

  def test_iteration(self):
    rows = list(tenon.arange(6).reshape(3, 2))
    self.assertEqual([r.tolist() for r in rows], [[0, 1], [2, 3], [4, 5]])
    self.assertEqual(len(tenon.zeros((3, 2))), 3)
    a, b = tenon.tensor([1, 2])
    self.assertEqual((a.item(), b.item()), (1, 2))
    self.assertIn(2, tenon.arange(3))
    self.assertNotIn(5, tenon.arange(3))
    self.assertEqual(list(itertools.islice(tenon.arange(10**6), 2))[1].item(), 1)


class ElementTest(unittest.TestCase):
  """t[i] = number goes straight to memory where it may, and is what writing to a view of one element is."""

  def test_every_dtype_and_number(self):
    names = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32", "float64"]
    for name in names + ["complex64"]:
      dtype = getattr(tenon, name)
      for value in [0, 1, -1, 7, 200, 70000, 2.75, -0.0, 1e30, float("inf"), float("nan"), True, 1 << 40]:
        straight, view = tenon.zeros((3, 4), dtype=dtype), tenon.zeros((3, 4), dtype=dtype)
        straight[1, 2] = value
        view[1:2, 2:3] = value
        with self.subTest(name=name, value=value):
          self.assertEqual(repr(straight.tolist()), repr(view.tolist()))

  def test_layouts(self):
    a = np.arange(24.0).reshape(2, 3, 4)
    for view in [np.s_[:], np.s_[::-1], np.s_[:, ::-2, 1:], np.s_[1], np.s_[..., 0]]:
      b = a.copy()
      t, n = tenon.from_numpy(b)[view], a.copy()[view]
      for index in itertools.product(*(range(-s, s) for s in n.shape)):
        t[index] = n[index] = sum(index)
        self.assertEqual(t[index].item(), n[index])
      np.testing.assert_array_equal(b[view], n)
    t = tenon.tensor(1.0)
    t[()] = 5
    self.assertEqual(t.item(), 5)

  def test_refused(self):
    t = tenon.zeros((2, 3))
    for key in [(2, 0), (0, -4), (1 << 70, 0), (0, 0, 0)]:
      with self.assertRaises((IndexError, OverflowError)):
        t[key] = 1.0
    with self.assertRaises(TypeError):
      t[0, 0] = 1 << 70
    self.assertEqual(t.tolist(), [[0] * 3] * 2)
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    with self.assertRaises(tenon.ReadOnlyError):
      tenon.from_numpy(read_only)[0] = 1.0
    leaf = tenon.zeros(3).requires_grad_()
    with self.assertRaises(tenon.AutogradError):
      leaf[0] = 1.0
    with self.assertRaises(tenon.AutogradError):
      leaf[:][0] = 1.0

  def test_backward_knows_of_it(self):
    x = tenon.ones(3).requires_grad_()
    y = x * 2
    y[1] = 7.0
    y.sum().backward()
    self.assertEqual(x.grad.tolist(), [2, 0, 2])
    saved = tenon.ones(3)
    z = x * saved
    saved[0] = 5.0
    with self.assertRaises(tenon.AutogradError):
      z.sum().backward()
    before = saved._version
    saved[0] = 6
    self.assertEqual(saved._version, before + 1)


if __name__ == "__main__":
  unittest.main()
