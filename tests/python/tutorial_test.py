"""Each call of the tutorial with its stated outcome: values, dtypes, shared or copied (seen by writing through), each refusal."""
import subprocess
import sys
import unittest
import warnings

import numpy as np

import tenon


def warnings_of(code):
  """(category, text) of what a fresh process warns about: some warnings come once in a process."""
  code = "import warnings, numpy as np, tenon\nwith warnings.catch_warnings(record=True) as seen:\n  warnings.simplefilter('always')\n" + \
         "".join("  %s\n" % line for line in code) + "for w in seen: print(w.category.__name__, w.message, w.filename)"
  return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()


class TutorialTest(unittest.TestCase):

  def test_tensor_copies_and_infers(self):
    a = np.array([1., 2., 3.])
    t = tenon.tensor(a)
    a[0] = 100
    self.assertEqual(t.tolist(), [1, 2, 3])
    self.assertEqual(t.dtype, tenon.float64)
    for data, dtype in [([1., 2.], "float32"), ([1, 2], "int64"), ([True, False], "bool"), ([1j], "complex64"), ([], "float32"),
                        (1.5, "float32"), (3, "int64"), ([1, 2.5], "float32"), ([True, 2], "int64"), (np.float64(1), "float64"),
                        (np.int8(1), "int8"), ([[1, 2], [3, 4]], "int64"), ([1, 2j], "complex64")]:
      self.assertEqual(tenon.tensor(data).dtype.name, dtype, data)
    self.assertTrue(t.is_leaf)

  def test_tensor_accepts_every_layout(self):
    a = np.arange(24, dtype=np.float32).reshape(4, 6)
    packed = np.zeros(3, dtype=[("a", "u1"), ("b", "<f4")])
    packed["b"] = [1, 2, 3]
    read_only = a.copy()
    read_only.flags.writeable = False
    for x in [a[::-1], a[:, ::-2], a.T, a.astype(">f4"), a.astype(">c16"), packed["b"], read_only, np.broadcast_to(a, (2, 4, 6)),
              a[:0], np.array(3.0)]:
      t = tenon.tensor(x)
      np.testing.assert_array_equal(t.numpy(), x)
      self.assertTrue(t.is_contiguous())
      self.assertFalse(t.read_only)

  def test_tensor_of_lists_of_arrays_and_tensors(self):
    arrays = [np.full(3, i, np.int16) for i in range(4)]
    t = tenon.tensor(arrays)
    np.testing.assert_array_equal(t.numpy(), np.stack(arrays))
    self.assertEqual(t.dtype, tenon.int16)
    x = tenon.tensor(2.0, requires_grad=True)
    y = tenon.tensor([x, x * 3])
    y.sum().backward()
    self.assertEqual(x.grad.item(), 4)

  def test_as_tensor_shares_where_it_can(self):
    a = np.zeros(3, np.float32)
    t = tenon.as_tensor(a)
    t[1] = 5
    self.assertEqual(a[1], 5)
    a[2] = 7
    self.assertEqual(t[2].item(), 7)
    converted = tenon.as_tensor(a, dtype=tenon.float64)
    converted[0] = 9
    self.assertEqual(a[0], 0)
    with self.assertRaisesRegex(ValueError, "can't alias the array"):
      tenon.as_tensor(a, dtype=tenon.float64, copy=False)
    copied = tenon.as_tensor(a, copy=True)
    copied[0] = 1
    self.assertEqual(a[0], 0)
    with self.assertRaisesRegex(ValueError, "can't alias arbitrary sequence into a tensor"):
      tenon.as_tensor([1.0], copy=False)
    self.assertIs(tenon.as_tensor(t), t)
    x = tenon.tensor([1.0], requires_grad=True)
    y = tenon.as_tensor(x, dtype=tenon.float64)
    y.backward()
    self.assertEqual(x.grad.item(), 1)

  def test_from_numpy_shares(self):
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    t = tenon.from_numpy(a)
    self.assertEqual(t.dtype, tenon.int32)
    t[0, 0] = 100
    self.assertEqual(a[0, 0], 100)
    r = tenon.from_numpy(a[::-1, ::-1])
    self.assertEqual(r.strides, (-3, -1))
    r[0, 0] = -1
    self.assertEqual(a[1, 2], -1)

  def test_from_numpy_of_read_only_array_is_a_read_only_tensor(self):
    a = np.zeros(3)
    a.flags.writeable = False
    with warnings.catch_warnings():
      warnings.simplefilter("error")
      t = tenon.from_numpy(a)
    self.assertTrue(t.read_only)
    for write in [lambda: t.add_(1), lambda: t.__setitem__(0, 1), lambda: t.copy_(t + 1), lambda: t[1:].fill_(0), lambda: t.zero_()]:
      with self.assertRaisesRegex(ValueError, "read-only"):
        write()
    self.assertFalse(t.numpy().flags.writeable)
    self.assertFalse(t.clone().read_only)

  def test_from_numpy_refuses_with_the_way_out(self):
    packed = np.zeros(3, dtype=[("a", "u1"), ("b", "<f4")])
    for x, error, text in [
        ([1.0], TypeError, r"expected np.ndarray \(got list\)"),
        (np.float32(1), TypeError, r"expected np.ndarray \(got numpy.float32\)"),
        (np.zeros(2, ">f4"), ValueError, "byte order different from the native byte order.*tensor\\(\\)"),
        (packed["b"], ValueError, "strides not a multiple of the element byte size.*tensor\\(\\)"),
        (np.frombuffer(bytes(9), np.uint8)[1:].view(np.float32), ValueError, "not aligned.*tensor\\(\\)"),
        (np.array([object()]), TypeError, "can't convert np.ndarray of type numpy.object_"),
        (np.array(["a"]), TypeError, "can't convert np.ndarray of type str32.*astype\\(float\\)"),
        (np.array([1], "M8[s]"), TypeError, r"can't convert np.ndarray of type datetime64\[s\].*view\('int64'\)"),
        (packed, TypeError, "can't convert np.ndarray of type void.*fields one by one"),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), TypeError, "mask would be lost"),
        (np.zeros(1, np.longdouble), TypeError, "can't convert np.ndarray of type .*astype"),
    ]:
      with self.subTest(text), self.assertRaisesRegex(error, text) as caught:
        tenon.from_numpy(x)
      self.assertIsInstance(caught.exception, tenon.Error)

  def test_array_lives_as_long_as_any_view(self):
    t = tenon.from_numpy(np.arange(1000.0))[10:20]
    self.assertEqual(t.sum().item(), sum(range(10, 20)))
    a = tenon.arange(1000.0)[10:20].numpy()
    self.assertEqual(a.sum(), sum(range(10, 20)))

  def test_legacy_constructor(self):
    said, = warnings_of(["tenon.Tensor([1])", "tenon.Tensor([[1, 2]])"])  # once in a process
    self.assertRegex(said, r"^\w*Warning .*tenon\.tensor\(.* <string>$")
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      t = tenon.Tensor([[1, 2], [3, 4]])
    self.assertEqual((t.dtype, t.tolist()), (tenon.float32, [[1, 2], [3, 4]]))
    a = np.zeros(2, np.float32)
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      tenon.Tensor(a)[0] = 1
      self.assertEqual(tenon.Tensor(np.arange(3)).dtype, tenon.float32)
    self.assertEqual(a[0], 0)  # a copy
    for arguments in [(3,), (2, 3), (), (3.0,), (np.int64(3),)]:
      with self.assertRaisesRegex(TypeError, r"^Tensor: new\(\): data must be a sequence.*uninitialised memory.*tenon\.zeros\(shape\)"):
        tenon.Tensor(*arguments)

  def test_numpy_shares(self):
    t = tenon.zeros(4)
    a = t.numpy()
    a[0] = 1
    t[1] = 2
    self.assertEqual(t.tolist(), [1, 2, 0, 0])
    self.assertEqual(a.tolist(), [1, 2, 0, 0])
    self.assertEqual(tenon.arange(4)[::-1].numpy().strides, (-8,))
    self.assertEqual(tenon.arange(4)[::-1].numpy().tolist(), [3, 2, 1, 0])

  def test_numpy_refuses_gradient(self):
    t = tenon.ones(2, dtype=tenon.float32).requires_grad_()
    with self.assertRaisesRegex(RuntimeError, r"Can't call numpy\(\) on Tensor that requires grad. Use t.detach\(\).numpy\(\), or numpy\(force=True\)"):
      t.numpy()
    a = t.numpy(force=True)
    a[0] = 5
    self.assertEqual(t[0].item(), 5)
    self.assertEqual(t.detach().numpy().tolist(), [5, 1])

  def test_numpy_of_bfloat16(self):
    t = tenon.tensor([1.5, -2.25], dtype=tenon.bfloat16)
    import ml_dtypes
    a = t.numpy()
    self.assertEqual(a.dtype, ml_dtypes.bfloat16)
    self.assertEqual(a.astype(np.float32).tolist(), [1.5, -2.25])
    a[0] = 3
    self.assertEqual(t[0].item(), 3)
    back = tenon.from_numpy(a)
    self.assertEqual(back.dtype, tenon.bfloat16)
    self.assertEqual(back.tolist(), [3, -2.25])

  def test_item(self):
    for value in [2.5, 7, True, 1 + 2j]:
      item = tenon.tensor([[value]]).item()
      self.assertEqual(item, value)
      self.assertIs(type(item), type(value))
    self.assertEqual(tenon.tensor(2.0, requires_grad=True).item(), 2)
    self.assertEqual(tenon.zeros((1, 1, 1)).item(), 0)
    with self.assertRaisesRegex(RuntimeError, "a Tensor with 2 elements cannot be converted to Scalar"):
      tenon.zeros(2).item()
    self.assertEqual(tenon.tensor(np.array(2**64 - 1, np.uint64)).item(), 2**64 - 1)

  def test_detach_shares_and_is_noticed(self):
    x = tenon.tensor([1., 2.], requires_grad=True)
    y = (x * x).sum()
    d = x.detach()
    self.assertFalse(d.requires_grad)
    d[0] = 10
    self.assertEqual(x[0].item(), 10)
    with self.assertRaisesRegex(RuntimeError, "modified by an inplace operation|changed|written"):
      y.backward()

  def test_data_is_detach(self):
    said, = warnings_of(["t = tenon.zeros(2)", "t.data", "t.data"])
    self.assertRegex(said, r"^UserWarning .*call detach\(\) <string>$")
    x = tenon.tensor([1., 2.], requires_grad=True)
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      d = x.data
      self.assertFalse(d.requires_grad)
      d[0] = 3
    self.assertEqual(x[0].item(), 3)
    for value in [d, [1., 2.], None]:
      with self.assertRaisesRegex(RuntimeError, r"^data: assignment to \.data would change the tensor behind backward\(\)'s back: write t\[\.\.\.\] = "):
        x.data = value
    self.assertEqual(x.tolist(), [3, 2])

  def test_clone_copies_and_stays_in_the_graph(self):
    x = tenon.tensor([1., 2.], requires_grad=True)
    c = x.clone()
    (c * 3).sum().backward()
    self.assertEqual(x.grad.tolist(), [3, 3])
    self.assertFalse(tenon.shares_memory(x, c))
    self.assertEqual(tenon.zeros((3, 2)).T.clone().strides, (1, 2))

  def test_cpu_and_to(self):
    t = tenon.zeros(2)
    self.assertIs(t.cpu(), t)
    self.assertIs(t.to("cpu"), t)
    self.assertIs(t.to(tenon.float32), t)
    self.assertIsNot(t.to("cpu", copy=True), t)
    self.assertEqual(t.to(tenon.float64).dtype, tenon.float64)
    self.assertEqual(t.to("cpu", tenon.int8).dtype, tenon.int8)
    x = tenon.tensor([1.], requires_grad=True)
    x.to(tenon.float64).backward()
    self.assertEqual(x.grad.dtype, tenon.float32)

  def test_cuda(self):
    if tenon.device_count("cuda") == 0:
      for call in [lambda t: t.cuda(), lambda t: t.cuda(1), lambda t: t.cuda("cuda:0"), lambda t: t.to("cuda"), lambda t: t.to("cuda:1"),
                   lambda t: tenon.zeros(1, device="cuda")]:
        with self.assertRaisesRegex(RuntimeError, "^cuda: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
                                    r"installed a driver from http://www.nvidia.com/Download/index.aspx\n(.*\n)*tried:\n  cpu: built in: loaded, 1 device\n(.*\n)*"
                                    "looked for libtenon_backend_<name>.so in: .*TENON_BACKEND_PATH"):
          call(tenon.zeros(1))
      return
    t = tenon.tensor([1., 2., 3.]).cuda()
    self.assertEqual(repr(t), "tensor([1., 2., 3.], device='cuda:0')")
    self.assertIs(t.cuda(), t)
    self.assertEqual(t.cpu().tolist(), [1, 2, 3])
    with self.assertRaisesRegex(tenon.Error, "can't convert cuda:0 device type tensor to numpy.*cpu"):
      t.numpy()
    with self.assertRaisesRegex(RuntimeError, r"requires grad.*detach\(\)\.cpu\(\)"):
      t.requires_grad_().numpy()
    self.assertEqual(t.numpy(force=True).tolist(), [1, 2, 3])

  def test_variable(self):
    t = tenon.tensor([1.])
    said, = warnings_of(["t = tenon.Variable(tenon.zeros(1))", "tenon.Variable(t)"])
    self.assertRegex(said, r"^DeprecationWarning .*a Tensor carries its own gradient.*requires_grad_\(\).* <string>$")
    with warnings.catch_warnings():
      warnings.simplefilter("ignore")
      v = tenon.Variable(t, requires_grad=True)
    self.assertIs(v, t)
    self.assertTrue(t.requires_grad)
    with self.assertRaisesRegex(TypeError, "Variable data has to be a tensor, but got list"):
      tenon.Variable([1.])

  def test_printing(self):
    self.assertEqual(repr(tenon.tensor([1, 2, 3])), "tensor([1, 2, 3])")
    self.assertEqual(str(tenon.tensor([1., 2., 3.])), "tensor([1., 2., 3.])")
    self.assertEqual(repr(tenon.tensor([1., 2.], requires_grad=True)), "tensor([1., 2.], requires_grad=True)")
    self.assertIn("dtype=float64", repr(tenon.tensor([1.], dtype=tenon.float64)).replace("tenon.", ""))
    self.assertNotIn("...", repr(tenon.zeros(1000)))
    self.assertIn("...", repr(tenon.zeros(1001)))
    self.assertEqual(repr(tenon.tensor([1, 2], dtype=tenon.int32)), "tensor([1, 2], dtype=int32)")
    # One rounding for the whole tensor, as NumPy's.
    self.assertEqual(repr(tenon.tensor([1.5, 0.123456])), "tensor([1.5000, 0.1235])")
    self.assertEqual(repr(tenon.tensor([1e-8, 1., 1000.])), "tensor([1.0000e-08, 1.0000e+00, 1.0000e+03])")
    self.assertEqual("%.2f" % tenon.tensor(1.234), "1.23")
    self.assertEqual(f"{tenon.tensor(1.234):.2f}", "1.23")

  def test_mixed_operators(self):
    x = tenon.tensor([1., 2.], dtype=tenon.float64, requires_grad=True)
    a = np.array([3., 4.])
    for y in [x * a, a * x]:
      self.assertIsInstance(y, tenon.Tensor)
      self.assertEqual(y.tolist(), [3, 8])
      x.grad = None
      y.sum().backward()
      self.assertEqual(x.grad.tolist(), [3, 4])
    self.assertIsInstance(np.sin(x), tenon.Tensor)
    self.assertEqual((tenon.tensor([1], dtype=tenon.int8) + np.array([1], np.int16)).dtype, tenon.int16)
    with self.assertRaisesRegex(TypeError, "numpy.frexp is not defined for a tenon.Tensor"):
      np.frexp(x.detach())


if __name__ == "__main__":
  unittest.main()
