"""The conversions of a tensor on another device (the simulated asynchronous one): what copies it to the host, what refuses and says how."""
import copy
import os
import pickle
import tempfile
import unittest

import numpy as np

# Before the module looks for backends; the directory is in the test's runfiles.
os.environ["TENON_BACKEND_PATH"] = os.path.abspath("tests/plugins/simdev/backend_dir")
os.environ.setdefault("TENON_FALLBACK", "silent")  # where the mask's positions are looked for is no matter here

import tenon

DEVICE = "simdev:0"


class DevicesTest(unittest.TestCase):

  def setUp(self):
    self.t = tenon.tensor([1., 2., 3.], device=DEVICE)

  def test_there_and_back(self):
    self.assertEqual(repr(self.t), "tensor([1., 2., 3.], device='simdev:0')")
    self.assertIs(self.t.to("simdev"), self.t)
    self.assertIsNot(self.t.to("simdev", copy=True), self.t)
    self.assertEqual(repr(self.t.cpu()), "tensor([1., 2., 3.])")
    self.assertEqual((self.t.tolist(), self.t[1].item(), float(self.t[2])), ([1, 2, 3], 2, 3))
    with self.assertRaisesRegex(RuntimeError, "a Tensor with 3 elements cannot be converted to Scalar"):
      self.t.item()
    x = tenon.ones(2).requires_grad_()
    (x.to(DEVICE) * 3).sum().backward()
    self.assertEqual((x.grad.tolist(), x.grad.device), ([3, 3], "cpu"))
    for back in [pickle.loads(pickle.dumps(self.t)), copy.deepcopy(self.t), self.t.clone(), self.t.detach(), tenon.tensor([self.t, self.t])[1]]:
      self.assertEqual((back.device, back.tolist()), (DEVICE, [1, 2, 3]))

  def test_one_message_names_every_obstacle_and_one_way(self):
    with self.assertRaisesRegex(tenon.DeviceError, r"^numpy: can't convert simdev:0 device type tensor to numpy. Use t\.cpu\(\)\.numpy\(\), or numpy\(force=True\)$"):
      self.t.numpy()
    g = tenon.tensor([1., 2.], device=DEVICE, requires_grad=True)
    with self.assertRaisesRegex(RuntimeError, r"^numpy: Can't call numpy\(\) on Tensor that requires grad, and can't convert simdev:0 device type tensor to numpy. "
                                r"Use t\.detach\(\)\.cpu\(\)\.numpy\(\), or numpy\(force=True\)$"):
      g.numpy()
    self.assertEqual(g.detach().cpu().numpy().tolist(), [1, 2])
    self.assertEqual(g.numpy(force=True).tolist(), [1, 2])
    for call, error in [(np.asarray, tenon.DeviceError), (lambda t: t.__array_interface__, tenon.DeviceError), (memoryview, BufferError)]:
      with self.assertRaisesRegex(error, r"can't convert simdev:0 device type tensor to numpy. Use t\.cpu\(\)"):
        call(self.t)

  def test_arrays_go_there_as_copies(self):
    a = np.arange(3, dtype=np.float32)
    for t in [tenon.tensor(a, device=DEVICE), tenon.as_tensor(a, device=DEVICE), tenon.from_numpy(a).to(DEVICE), tenon.from_numpy(a[::-1]).to(DEVICE).flip(0)]:
      self.assertEqual((t.device, t.tolist()), (DEVICE, [0, 1, 2]))
    self.assertFalse(tenon.explain(a, device=DEVICE).shared)
    with self.assertRaisesRegex(ValueError, "can't alias the array .* the memory is on another device"):
      tenon.as_tensor(a, device=DEVICE, copy=False)

  def test_mixed_operators_move_nothing(self):
    a = np.ones(3, np.float32)
    for call in [lambda: self.t + a, lambda: a + self.t]:
      with self.assertRaisesRegex(tenon.DeviceError, r"Expected all tensors to be on the same device.*simdev:0.*cpu|same device.*cpu.*simdev:0"):
        call()
    self.assertEqual((self.t * 2.0).tolist(), [2, 4, 6])
    np.testing.assert_allclose(np.sin(self.t).cpu().numpy(), np.sin([1, 2, 3]), rtol=1e-6)

  def test_index(self):
    self.t[0] = np.float32(9)
    self.assertEqual(self.t[np.array([2, 0])].tolist(), [3, 9])
    self.assertEqual(self.t[self.t > 2.5].tolist(), [9, 3])
    self.assertEqual(self.t[np.array([False, True, False])].tolist(), [2])

  def test_files(self):
    with tempfile.TemporaryDirectory() as folder:
      for ending in [".npy", ".npz", ".safetensors"]:
        path = os.path.join(folder, "a" + ending)
        tenon.save(path, self.t if ending == ".npy" else {"a": self.t})
        back = tenon.load(path)
        back = back if ending == ".npy" else back["a"]
        self.assertEqual((back.device, back.tolist()), ("cpu", [1, 2, 3]))


if __name__ == "__main__":
  unittest.main()
