"""Gradients from Python: backward, grad, modes, hooks, functions written in Python, and exceptions on their way through."""
import gc
import threading
import unittest
import weakref

import numpy as np

import tenon


def leaf(*values):
  return tenon.tensor(values, dtype=tenon.float64, requires_grad=True)


class Cube(tenon.autograd.Function):

  @staticmethod
  def forward(ctx, x, power):
    ctx.save_for_backward(x)
    ctx.power = power
    return x * x * x

  @staticmethod
  def backward(ctx, gradient):
    x, = ctx.saved_tensors
    return gradient * 3 * x * x, None


class AutogradTest(unittest.TestCase):

  def test_backward(self):
    x = leaf(1., 2., 3.)
    y = (x * x).sum()
    self.assertFalse(y.is_leaf)
    self.assertIsInstance(y.grad_fn, str)
    y.backward()
    self.assertEqual(x.grad.tolist(), [2, 4, 6])
    (x * 2).sum().backward()
    self.assertEqual(x.grad.tolist(), [4, 6, 8])
    x.grad = None
    self.assertIsNone(x.grad)
    (x * 3).backward(tenon.tensor([1., 0., 2.], dtype=tenon.float64))
    self.assertEqual(x.grad.tolist(), [3, 0, 6])
    with self.assertRaises(RuntimeError):
      (x * 3).backward()
    with self.assertRaisesRegex(RuntimeError, "retain_graph|freed"):
      y.backward()

  def test_grad(self):
    x, w = leaf(2.), leaf(5.)
    y = (x**3 * w).sum()
    dx, dw = tenon.grad(y, [x, w], create_graph=True)
    self.assertEqual((dx.item(), dw.item()), (60, 8))
    self.assertIsNone(x.grad)
    ddx, = tenon.grad(dx.sum(), x)
    self.assertEqual(ddx.item(), 60)
    with self.assertRaises(RuntimeError):
      tenon.grad((x * 2).sum(), [w])
    self.assertIsNone(tenon.grad((x * 2).sum(), [w], allow_unused=True)[0])

  def test_only_floats_have_gradients(self):
    for t in [tenon.tensor([1]), tenon.tensor([True])]:
      with self.assertRaisesRegex(tenon.Error, "float"):
        t.requires_grad_()
    with self.assertRaises(tenon.Error):
      tenon.tensor([1], requires_grad=True)

  def test_modes(self):
    x = leaf(1.)
    with tenon.no_grad():
      self.assertFalse((x * 2).requires_grad)
      with tenon.enable_grad():
        self.assertTrue((x * 2).requires_grad)
      self.assertFalse(tenon.is_grad_enabled())
    self.assertTrue((x * 2).requires_grad)

    @tenon.no_grad()
    def f():
      return x * 2

    @tenon.no_grad
    def g():
      yield x * 2
      yield x * 3

    self.assertFalse(f().requires_grad)
    for y in g():
      self.assertFalse(y.requires_grad)
      self.assertTrue(tenon.is_grad_enabled())
    try:
      with tenon.no_grad():
        raise KeyError
    except KeyError:
      pass
    self.assertTrue(tenon.is_grad_enabled())
    seen = []
    with tenon.no_grad():
      thread = threading.Thread(target=lambda: seen.append(tenon.is_grad_enabled()))
      thread.start()
      thread.join()
    self.assertEqual(seen, [True])  # each thread has its own

  def test_hooks(self):
    x = leaf(1., 2.)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    double = x.register_hook(lambda g: g * 2)
    (x * 3).sum().backward()
    self.assertEqual(seen, [[3, 3]])
    self.assertEqual(x.grad.tolist(), [6, 6])
    handle.remove()
    double.remove()
    x.grad = None
    (x * 3).sum().backward()
    self.assertEqual(x.grad.tolist(), [3, 3])
    self.assertEqual(len(seen), 1)

  def test_exceptions_pass_through_the_engine(self):
    x = leaf(1.)

    class Odd(Exception):
      pass

    def hook(g):
      raise Odd("here")

    x.register_hook(hook)
    with self.assertRaisesRegex(Odd, "here"):
      (x * 2).sum().backward()
    y = leaf(1.)
    y.register_hook(lambda g: 5)
    with self.assertRaisesRegex(TypeError, "a hook returns a Tensor or None"):
      (y * 2).sum().backward()

  def test_function(self):
    x = leaf(2., 3.)
    y = Cube.apply(x, 3)
    self.assertTrue(y.requires_grad)
    y.sum().backward()
    self.assertEqual(x.grad.tolist(), [12, 27])
    first, = tenon.grad(Cube.apply(x, 3).sum(), x, create_graph=True)
    second, = tenon.grad(first.sum(), x)
    self.assertEqual(second.tolist(), [12, 18])
    self.assertTrue(tenon.gradcheck(lambda a: Cube.apply(a, 3), [leaf(1.5, -0.5)]))
    with tenon.no_grad():
      self.assertFalse(Cube.apply(x, 3).requires_grad)

  def test_function_notices_writes(self):
    x = leaf(2.)
    h = x * 1
    y = Cube.apply(h, 3)
    h.add_(1)
    with self.assertRaises(RuntimeError):
      y.sum().backward()

  def test_function_of_several(self):

    class Both(tenon.autograd.Function):

      @staticmethod
      def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a + b, a * b

      @staticmethod
      def backward(ctx, s, p):
        a, b = ctx.saved_tensors
        return s + p * b, s + p * a

    a, b = leaf(2.), leaf(5.)
    s, p = Both.apply(a, b)
    (s + p * 10).sum().backward()
    self.assertEqual((a.grad.item(), b.grad.item()), (51, 21))

    class Wrong(Both):

      @staticmethod
      def backward(ctx, s, p):
        return s

    s, _ = Wrong.apply(a, b)
    with self.assertRaisesRegex(RuntimeError, "returned 1 gradients for 2 arguments"):
      s.backward()

  def test_graphs_are_freed(self):
    class Thing:
      pass

    thing = Thing()
    x = leaf(1.)
    x.register_hook(lambda g, t=thing: None)
    dead = weakref.ref(thing)
    y = Cube.apply(x, thing)
    del thing, x, y
    gc.collect()
    self.assertIsNone(dead())

  def test_in_place_on_views(self):
    x = leaf(1., 2., 3.)
    y = x * 1
    y[1:] *= 10
    y[0] = 7.0
    (y * y).sum().backward()
    self.assertEqual(x.grad.tolist(), [0, 400, 600])

  def test_mixed_with_numpy(self):
    x = leaf(1., 2.)
    a = np.array([3., 5.])
    y = np.exp(a * x + a) - a
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), a * np.exp(a * np.array([1., 2.]) + a), rtol=1e-12)


if __name__ == "__main__":
  unittest.main()
