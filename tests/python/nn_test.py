"""Modules, losses, optimizers and files."""
import os
import pickle
import tempfile
import unittest

import ml_dtypes
import numpy as np

import tenon
from tenon import nn


class Net(nn.Module):

  def __init__(self):
    self.layers = [nn.Linear(3, 4), nn.Linear(4, 4)]
    self.head = nn.Sequential(nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 2))
    self.scale = nn.Parameter(tenon.ones(1))
    self.tied = self.layers[0]

  def forward(self, x):
    for layer in self.layers:
      x = nn._tenon.relu(layer(x))
    return self.head(x) * self.scale


class ModuleTest(unittest.TestCase):

  def test_names(self):
    net = Net()
    names = [n for n, _ in net.named_parameters()]
    self.assertEqual(sorted(names), sorted(["scale", "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "head.2.weight", "head.2.bias"]))
    self.assertEqual(len(net.parameters()), 7)
    self.assertTrue(all(p.requires_grad and p.is_leaf for p in net.parameters()))
    self.assertIn("Linear(in_features=3, out_features=4, bias=True)", repr(net))

  def test_state_dict(self):
    a, b = Net(), Net()
    b.load_state_dict({k: v.clone() for k, v in a.state_dict().items()})
    x = tenon.rand(5, 3)
    a.eval(), b.eval()
    self.assertEqual(a(x).tolist(), b(x).tolist())
    state = a.state_dict()
    del state["scale"]
    state["other"] = tenon.zeros(1)
    with self.assertRaisesRegex(ValueError, "(?s)scale.*other|other.*scale"):
      b.load_state_dict(state)

  def test_layer_norm(self):
    x = np.array([[1.0, 2, 6], [4, 4, 10]])
    norm = nn.LayerNorm(3).to(tenon.float64)
    want = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(norm(tenon.tensor(x)).detach().numpy(), want, rtol=1e-14)
    self.assertEqual([n for n, _ in norm.named_parameters()], ["weight", "bias"])
    self.assertIn("LayerNorm((3,), eps=1e-05", repr(norm))
    self.assertEqual(nn.LayerNorm((2, 3), elementwise_affine=False).parameters(), [])
    both = tenon.layer_norm(tenon.tensor(x), (2, 3), eps=0.5)
    np.testing.assert_allclose(both.numpy(), (x - x.mean()) / np.sqrt(x.var() + 0.5), rtol=1e-14)
    with self.assertRaisesRegex(ValueError, "layer_norm.*normalized axes|last axes"):
      norm(tenon.zeros((2, 4)))

  def test_train_and_eval(self):
    net = nn.Sequential(nn.Dropout(0.5))
    x = tenon.ones(1000)
    zeros = (net(x) == 0).sum().item()
    self.assertTrue(300 < zeros < 700)
    net.eval()
    self.assertEqual((net(x) == 0).sum().item(), 0)
    self.assertFalse(net[0].training)

  def test_to(self):
    net = Net().to(tenon.float64)
    self.assertTrue(all(p.dtype == tenon.float64 and p.requires_grad for p in net.parameters()))
    self.assertIs(net.tied.weight, net.layers[0].weight)
    self.assertEqual(net.eval()(tenon.ones((2, 3), dtype="float64")).dtype, tenon.float64)

  def test_losses(self):
    x, y = np.random.default_rng(0).normal(size=(4, 3)), np.random.default_rng(1).normal(size=(4, 3))
    tx, ty = tenon.tensor(x), tenon.tensor(y)
    self.assertAlmostEqual(nn.MSELoss()(tx, ty).item(), ((x - y)**2).mean())
    self.assertAlmostEqual(nn.L1Loss()(tx, ty).item(), abs(x - y).mean())
    labels = np.array([0, 2, 1, 1])
    log_p = x - np.log(np.exp(x).sum(1, keepdims=True))
    self.assertAlmostEqual(nn.CrossEntropyLoss()(tx, labels).item(), -log_p[np.arange(4), labels].mean())
    self.assertAlmostEqual(nn.CrossEntropyLoss()(tx, tenon.tensor(labels)).item(), -log_p[np.arange(4), labels].mean())

  def test_optimizers_against_numpy(self):
    for make, rule in [(lambda p: tenon.optim.SGD(p, lr=0.1, momentum=0.9), "sgd"), (lambda p: tenon.optim.AdamW(p, lr=0.1, betas=(0.9, 0.99), weight_decay=0.01), "adamw")]:
      p = nn.Parameter(tenon.tensor([1.0, -2.0], dtype="float64"))
      optimizer = make([p])
      q, v, m = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
      for t in range(1, 4):
        optimizer.zero_grad()
        self.assertIsNone(p.grad)
        (p * p * p).sum().backward()
        optimizer.step()
        g = 3 * q * q
        if rule == "sgd":
          v = 0.9 * v + g
          q = q - 0.1 * v
        else:
          m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
          q = q - 0.1 * 0.01 * q - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        np.testing.assert_allclose(p.detach().numpy(), q, rtol=1e-12)
      optimizer.lr = 0.5
      self.assertEqual(optimizer.lr, 0.5)
      state = optimizer.state_dict()
      again = make([p])
      again.load_state_dict(state)
      self.assertEqual(again.lr, 0.5)

  def test_learns(self):
    tenon.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    optimizer = tenon.optim.AdamW(model.parameters(), lr=0.05)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([0, 1, 1, 0])
    for _ in range(200):
      optimizer.zero_grad()
      loss = nn.CrossEntropyLoss()(model(tenon.as_tensor(x)), y)
      loss.backward()
      optimizer.step()
    self.assertLess(loss.item(), 0.01)
    self.assertEqual(model(tenon.as_tensor(x)).argmax(axis=1).tolist(), y.tolist())

  def test_modules_pickle(self):
    net = Net().eval()
    again = pickle.loads(pickle.dumps(net))
    x = tenon.rand(2, 3)
    self.assertEqual(again(x).tolist(), net(x).tolist())
    self.assertTrue(all(isinstance(p, nn.Parameter) and p.requires_grad for p in again.parameters()))
    self.assertIs(again.tied.weight, again.layers[0].weight)


class FilesTest(unittest.TestCase):

  def setUp(self):
    self.directory = tempfile.TemporaryDirectory()
    self.addCleanup(self.directory.cleanup)

  def path(self, name):
    return os.path.join(self.directory.name, name)

  def test_npy(self):
    for t in [tenon.arange(6).reshape(2, 3), tenon.zeros((0, 2)), tenon.tensor(2.5), tenon.ones((3, 2), dtype="complex64").T]:
      tenon.save(self.path("a.npy"), t)
      np.testing.assert_array_equal(np.load(self.path("a.npy")), t.numpy())
      back = tenon.load(self.path("a.npy"))
      self.assertEqual((back.dtype, back.tolist(), back.read_only), (t.dtype, t.tolist(), False))
      mapped = tenon.load(self.path("a.npy"), mmap=True)
      self.assertEqual((mapped.tolist(), mapped.read_only), (t.tolist(), True))
    np.save(self.path("b.npy"), np.arange(3, dtype=">i4"))
    self.assertEqual(tenon.load(self.path("b.npy"), mmap=True).tolist(), [0, 1, 2])

  def test_npz(self):
    data = {"w": tenon.arange(6.0).reshape(2, 3), "b": tenon.tensor([True, False])}
    for compressed in [False, True]:
      tenon.save(self.path("a.npz"), data, compressed=compressed)
      with np.load(self.path("a.npz")) as theirs:
        self.assertEqual({k: theirs[k].tolist() for k in theirs}, {k: v.tolist() for k, v in data.items()})
      self.assertEqual({k: v.tolist() for k, v in tenon.load(self.path("a.npz")).items()}, {k: v.tolist() for k, v in data.items()})
    np.savez(self.path("b.npz"), x=np.arange(3))
    self.assertEqual(tenon.load(self.path("b.npz"), mmap=True)["x"].tolist(), [0, 1, 2])

  def test_safetensors(self):
    data = {"w": tenon.rand(2, 3).to("bfloat16"), "n": tenon.tensor(3), "e": tenon.zeros((0, 4))}
    tenon.save(self.path("a.safetensors"), data, metadata={"format": "pt"})
    for mmap in [False, True]:
      back = tenon.load(self.path("a.safetensors"), mmap=mmap)
      self.assertEqual({k: (v.dtype, v.shape, v.tolist(), v.read_only) for k, v in back.items()},
                       {k: (v.dtype, v.shape, v.tolist(), mmap) for k, v in data.items()})
    self.assertEqual(tenon.load_metadata(self.path("a.safetensors")), {"format": "pt"})
    with self.assertRaisesRegex(ValueError, "read-only"):
      tenon.load(self.path("a.safetensors"), mmap=True)["w"].add_(1)

  def test_views_are_written_alone(self):
    tenon.save(self.path("v.npy"), tenon.zeros((1000, 1000))[:1])
    self.assertLess(os.path.getsize(self.path("v.npy")), 5000)

  def test_state_dicts(self):
    net = Net()
    for name in ["s.npz", "s.safetensors"]:
      tenon.save(self.path(name), net.state_dict())
      other = Net()
      other.load_state_dict(tenon.load(self.path(name)))
      self.assertEqual(other.head[2].weight.tolist(), net.head[2].weight.tolist())

  def test_refusals(self):
    for call, error, text in [(lambda: tenon.save(self.path("a.txt"), tenon.zeros(1)), ValueError, "must end in .npy, .npz or .safetensors"),
                              (lambda: tenon.save(tenon.zeros(1), self.path("a.npy")), TypeError, "the path comes first"),
                              (lambda: tenon.save(self.path("a.npy"), {"a": tenon.zeros(1)}), TypeError, "expected a Tensor or an array"),
                              (lambda: tenon.save(self.path("a.npz"), tenon.zeros(1)), TypeError, "saved from a dict"),
                              (lambda: tenon.save(self.path("a.npy"), tenon.zeros(1, dtype="bfloat16")), TypeError, "bfloat16"),
                              (lambda: tenon.load(self.path("none.npy")), OSError, "none.npy")]:
      with self.assertRaisesRegex(error, text):
        call()
    with open(self.path("bad.npy"), "wb") as f:
      f.write(b"not an array")
    with self.assertRaisesRegex(ValueError, "bad.npy"):
      tenon.load(self.path("bad.npy"))
    tenon.save(self.path("b.npy"), tenon.ones(2, dtype="bfloat16"), view_as="u2")
    self.assertEqual(np.load(self.path("b.npy")).view(ml_dtypes.bfloat16).tolist(), [1, 1])


if __name__ == "__main__":
  unittest.main()
