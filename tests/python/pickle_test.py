"""pickle, copy and deepcopy of tensors, dtypes, devices and what holds them."""
import copy
import io
import pickle
import subprocess
import sys
import unittest

import tenon
from tenon import nn


class PickleTest(unittest.TestCase):

  def test_round_trip(self):
    for t in [tenon.arange(6).reshape(2, 3), tenon.tensor(2.5), tenon.zeros((0, 3)), tenon.ones(3, dtype="bfloat16"), tenon.tensor([1j]),
              tenon.arange(5)[::-2], tenon.tensor([True, False]), tenon.tensor([1.0], requires_grad=True)]:
      for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        back = pickle.loads(pickle.dumps(t, protocol))
        self.assertEqual((back.dtype, back.shape, back.tolist(), back.requires_grad), (t.dtype, t.shape, t.tolist(), t.requires_grad))
        self.assertFalse(back.read_only)

  def test_a_view_pickles_its_own_elements(self):
    self.assertLess(len(pickle.dumps(tenon.zeros((1000, 1000))[:1])), 5000)

  def test_out_of_band(self):
    t = tenon.arange(1000)
    buffers = []
    data = pickle.dumps(t, 5, buffer_callback=buffers.append)
    self.assertEqual(len(buffers), 1)
    self.assertLess(len(data), 500)
    self.assertEqual(pickle.loads(data, buffers=buffers).tolist(), t.tolist())

  def test_sharing_within_one_pickle(self):
    t = tenon.zeros(2)
    a, b = pickle.loads(pickle.dumps([t, t]))
    self.assertIs(a, b)

  def test_graphs_do_not_travel(self):
    y = tenon.ones(2).requires_grad_() * 2
    for call in [lambda: pickle.dumps(y), lambda: copy.deepcopy(y)]:
      with self.assertRaisesRegex(RuntimeError, r"detach\(\)"):
        call()

  def test_copies(self):
    t = tenon.tensor([1., 2.], requires_grad=True)
    (t * 2).sum().backward()
    d = copy.deepcopy(t)
    with tenon.no_grad():
      d.fill_(9)
    self.assertEqual((t.tolist(), d.requires_grad, d.grad.tolist()), ([1, 2], True, [2, 2]))
    c = copy.copy(t)
    self.assertTrue(tenon.shares_memory(c, t))
    p = copy.deepcopy(nn.Parameter(tenon.zeros(1)))
    self.assertIsInstance(p, nn.Parameter)

  def test_dtypes_and_devices(self):
    self.assertIs(pickle.loads(pickle.dumps(tenon.float32)), tenon.float32)
    self.assertIs(copy.deepcopy(tenon.bool), tenon.bool)
    self.assertEqual(pickle.loads(pickle.dumps(tenon.device("cpu"))), "cpu")

  def test_bad_pickles(self):
    with self.assertRaisesRegex(ValueError, "bytes are not a float32 tensor"):
      tenon._rebuild(b"123", (1,), tenon.float32, "cpu", False)

  def test_without_numpy(self):
    code = "import sys; sys.modules['numpy'] = None; import pickle, tenon; t = pickle.loads(sys.stdin.buffer.read()); print(t + 1, t.tolist(), memoryview(t).tolist())"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(tenon.tensor([1., 2.])), stdout=subprocess.PIPE, check=True)
    self.assertEqual(done.stdout.decode().strip(), "tensor([2., 3.]) [1.0, 2.0] [1.0, 2.0]")


if __name__ == "__main__":
  unittest.main()
