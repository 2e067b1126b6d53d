"""What other libraries see of a Tensor and what Tenon takes of theirs: buffers, __array__, ufuncs, DLPack, the Array API's names."""
import array
import ctypes
import os
import unittest

import numpy as np

import tenon
from array_cases import ArrayOnly, DlpackOnly, InterfaceOnly


class BufferTest(unittest.TestCase):

  def test_memoryview(self):
    for dtype, code in [("bool", "?"), ("int8", "b"), ("uint8", "B"), ("int16", "h"), ("uint16", "H"), ("int32", "i"), ("uint32", "I"),
                        ("int64", "q"), ("uint64", "Q"), ("float16", "e"), ("float32", "f"), ("float64", "d")]:
      t = tenon.ones((2, 3), dtype=dtype)
      m = memoryview(t)
      self.assertEqual((m.format, m.shape, m.readonly, m.nbytes), (code, (2, 3), False, 6 * t.itemsize))
      if code != "e":  # memoryview itself cannot
        self.assertEqual(m.tolist(), [[1] * 3] * 2)
      self.assertEqual(m.strides, (3 * t.itemsize, t.itemsize))
    t = tenon.zeros(3)
    memoryview(t)[1] = 5.0
    self.assertEqual(t.tolist(), [0, 5, 0])
    self.assertEqual(memoryview(tenon.arange(4)[::-1]).tolist(), [3, 2, 1, 0])
    self.assertEqual(memoryview(tenon.tensor(3)).ndim, 0)

  def test_refusals(self):
    for t, text in [(tenon.zeros(1).requires_grad_(), "requires grad"), (tenon.zeros(1, dtype="bfloat16"), "bfloat16.*float\\(\\)")]:
      with self.assertRaisesRegex(BufferError, text):
        memoryview(t)
    with self.assertRaises(TypeError):  # join's own words for a BufferError
      b"".join([tenon.zeros((2, 2)).T])
    read_only = np.zeros(2)
    read_only.flags.writeable = False
    self.assertTrue(memoryview(tenon.from_numpy(read_only)).readonly)
    with open(os.devnull, "rb", buffering=0) as f, self.assertRaises((BufferError, TypeError)):
      f.readinto(tenon.from_numpy(read_only))

  def test_a_view_keeps_the_memory(self):
    m = memoryview(tenon.full(100, 7))
    junk = [tenon.zeros(100) for _ in range(10)]
    self.assertEqual(set(m.tolist()), {7})
    del junk

  def test_buffers_come_in(self):
    a = array.array("d", [1, 2, 3])
    t = tenon.as_tensor(a)
    t[0] = 9
    self.assertEqual(a[0], 9)
    with self.assertRaises(BufferError):  # the tensor holds the buffer
      a.append(4)
    del t
    a.append(4)
    self.assertEqual(tenon.tensor(memoryview(b"\1\2")).tolist(), [1, 2])
    self.assertTrue(tenon.as_tensor(b"\1\2").read_only)
    self.assertEqual(tenon.as_tensor((ctypes.c_int32 * 3)(1, 2, 3)).tolist(), [1, 2, 3])


class NumPyTest(unittest.TestCase):

  def test_asarray_shares(self):
    t = tenon.arange(6).reshape(2, 3)
    a = np.asarray(t)
    a[0, 0] = 10
    self.assertEqual(t[0, 0].item(), 10)
    self.assertTrue(np.shares_memory(np.asarray(t), a))
    self.assertFalse(np.shares_memory(np.array(t), a))
    self.assertEqual(np.asarray(t, dtype=np.float64).dtype, np.float64)
    self.assertTrue(np.shares_memory(t.__array__(copy=False), a))
    self.assertFalse(np.shares_memory(t.__array__(copy=True), a))
    with self.assertRaisesRegex(ValueError, "copy=False"):
      t.__array__(np.float32, copy=False)
    self.assertEqual(np.asarray(tenon.ones(2, dtype="bfloat16")).dtype.name, "bfloat16")

  def test_requires_grad_is_refused(self):
    with self.assertRaisesRegex(RuntimeError, "requires grad"):
      np.asarray(tenon.zeros(2).requires_grad_())

  def test_array_interface(self):
    t = tenon.zeros((2, 3), dtype="int16").T
    i = t.__array_interface__
    self.assertEqual((i["shape"], i["strides"], i["typestr"], i["data"], i["version"]), ((3, 2), (2, 6), "<i2", (t.data_ptr(), False), 3))

  def test_array_interface_of_no_elements_has_an_address(self):
    # NumPy 2.3 refuses 0 there.
    self.assertNotEqual(tenon.zeros((0, 3)).__array_interface__["data"][0], 0)
    self.assertEqual(np.asarray(InterfaceOnly(tenon.zeros((0, 3)))).shape, (0, 3))

  def test_foreign_arrays_come_in(self):
    a = np.arange(6.0).reshape(2, 3)
    for x in [InterfaceOnly(a), ArrayOnly(a), DlpackOnly(a)]:
      t = tenon.as_tensor(x)
      t[0, 0] += 1
      self.assertEqual(a[0, 0], t[0, 0].item())
      self.assertEqual((tenon.ones((2, 3), dtype="float64") + x).tolist(), (a + 1).tolist())
      self.assertEqual(tenon.tensor(x).tolist(), a.tolist())

  def test_bad_interfaces(self):
    a = np.zeros(2)
    for changes in [dict(shape=[2]), dict(typestr="<f3"), dict(typestr=4), dict(data=None), dict(data=("x", False)), dict(shape=(2,), strides=(8, 8)), dict(shape=(-1,))]:
      with self.subTest(changes), self.assertRaises((tenon.Error, TypeError)):
        tenon.as_tensor(InterfaceOnly(a, **changes))

  def test_ufuncs_stay_tensors(self):
    x = np.linspace(0.1, 0.9, 5)
    t = tenon.from_numpy(x)
    one = [np.sin, np.arcsin, np.arctanh, np.exp, np.log1p, np.sqrt, np.absolute, np.negative, np.rint, np.floor, np.isnan, np.sign, np.square, np.reciprocal, np.expm1]
    two = [np.add, np.subtract, np.multiply, np.divide, np.true_divide, np.power, np.maximum, np.minimum, np.arctan2, np.hypot, np.less, np.equal, np.logical_or, np.copysign, np.remainder, np.floor_divide]
    for f in one:
      y = f(t)
      self.assertIsInstance(y, tenon.Tensor, f)
      np.testing.assert_allclose(y.numpy(), f(x), rtol=1e-12)
    for f in two:
      for y in [f(t, x), f(x, t), f(t, t)]:
        self.assertIsInstance(y, tenon.Tensor, f)
        np.testing.assert_allclose(y.numpy(), f(x, x), rtol=1e-12)
    i = np.arange(5)
    for f in [np.bitwise_and, np.left_shift, np.bitwise_xor]:
      np.testing.assert_array_equal(f(tenon.from_numpy(i), i).numpy(), f(i, i))

  def test_operators_both_ways(self):
    x = np.arange(1, 5, dtype=np.float32)
    t = tenon.from_numpy(x.copy())
    for f in [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a // b, lambda a, b: a % b,
              lambda a, b: a**b, lambda a, b: a < b, lambda a, b: a == b, lambda a, b: a @ b]:
      for y in [f(t, x), f(x, t), f(t, t)]:
        self.assertIsInstance(y, tenon.Tensor)
        np.testing.assert_allclose(np.asarray(y), f(x, x))
    self.assertIsInstance(np.float64(2) * t, tenon.Tensor)
    self.assertEqual((np.float64(2) * t).dtype, (t * np.float64(2)).dtype)

  def test_out_and_inplace(self):
    x = np.arange(4.0)
    x += tenon.ones(4, dtype="float64")
    self.assertIsInstance(x, np.ndarray)
    self.assertEqual(x.tolist(), [1, 2, 3, 4])
    out = np.zeros(4)
    self.assertIs(np.add(tenon.from_numpy(x), 1.0, out=out), out)
    self.assertEqual(out.tolist(), [2, 3, 4, 5])
    with self.assertRaisesRegex(TypeError, "out="):
      np.add(tenon.from_numpy(x), 1.5, out=np.zeros(4, int))
    t = tenon.zeros(4, dtype="float64")
    t += x
    self.assertEqual(t.tolist(), x.tolist())

  def test_reductions(self):
    a = np.arange(6.0).reshape(2, 3)
    t = tenon.from_numpy(a)
    self.assertEqual(np.add.reduce(t).tolist(), [3, 5, 7])
    self.assertEqual(np.sum(t).item(), 15)
    self.assertEqual(np.mean(t, axis=1).tolist(), [1, 4])

  def test_refusals(self):
    t = tenon.zeros(2)
    for call in [lambda: np.frexp(t), lambda: np.add.accumulate(t), lambda: np.add(t, t, where=np.array([True, False])), lambda: t + "a", lambda: [1] + t, lambda: t + None]:
      with self.assertRaises(TypeError):
        call()


class DlpackTest(unittest.TestCase):

  def test_numpy_both_ways(self):
    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    for x in [a, a.T, a[::-1], a[:, ::2], np.array(3.0), np.zeros((0, 2))]:
      t = tenon.from_dlpack(x)
      np.testing.assert_array_equal(t.numpy(), x)
      if x.size:
        self.assertTrue(np.shares_memory(t.numpy(), x))
      back = np.from_dlpack(t)
      np.testing.assert_array_equal(back, x)
      if x.size:
        self.assertTrue(np.shares_memory(back, x))
    self.assertEqual(tenon.zeros(1).__dlpack_device__(), (1, 0))

  def test_read_only(self):
    a = np.zeros(2)
    a.flags.writeable = False
    self.assertTrue(tenon.from_dlpack(a).read_only)
    t = tenon.from_numpy(a)
    self.assertFalse(np.from_dlpack(t).flags.writeable)
    with self.assertRaisesRegex(BufferError, "[Rr]ead.?only"):
      t.__dlpack__()
    self.assertIn("dltensor_versioned", repr(t.__dlpack__(max_version=(1, 0))))
    self.assertIn('"dltensor"', repr(t.__dlpack__(copy=True)))

  def test_old_producers(self):
    a = np.arange(3.0)
    old = DlpackOnly(a, old=True)
    t = tenon.from_dlpack(old)
    self.assertEqual(t.tolist(), [0, 1, 2])
    self.assertEqual([set(c) for c in old.calls], [{"max_version"}, set()])

  def test_copy(self):
    a = np.zeros(2)
    self.assertFalse(np.shares_memory(tenon.from_dlpack(a, copy=True).numpy(), a))
    self.assertTrue(np.shares_memory(tenon.from_dlpack(a, copy=False).numpy(), a))
    t = tenon.zeros(2)
    c = tenon.from_dlpack(t.__dlpack__(max_version=(1, 0), copy=True))
    c[0] = 1
    self.assertEqual(t[0].item(), 0)

  def test_capsules_are_consumed_once(self):
    capsule = tenon.zeros(2).__dlpack__(max_version=(1, 3))
    tenon.from_dlpack(capsule)
    with self.assertRaisesRegex(BufferError, "can be consumed only once"):
      tenon.from_dlpack(capsule)
    unused = tenon.zeros(1000).__dlpack__()  # calls its deleter
    del unused

  def test_refusals(self):
    for call, text in [(lambda: tenon.zeros(1).requires_grad_().__dlpack__(), "require"), (lambda: tenon.zeros(1).__dlpack__(stream=5), "stream"),
                       (lambda: tenon.zeros(1).__dlpack__(dl_device=(2, 0), copy=False), "kDLCUDA"),
                       (lambda: tenon.from_dlpack(np.zeros(2, ">f8")), "byte order"), (lambda: tenon.from_dlpack(np.array([None])), "")]:
      with self.subTest(text), self.assertRaisesRegex(BufferError, text):
        call()
    with self.assertRaises(AttributeError):
      tenon.from_dlpack([1.0])

  def test_exchange_api_is_on_the_type(self):
    capsule = tenon.Tensor.__dlpack_c_exchange_api__
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    version = (ctypes.c_uint32 * 2).from_address(get(capsule, b"dlpack_exchange_api"))
    self.assertEqual(version[0], 1)


class StandardTest(unittest.TestCase):

  def test_functions_against_numpy(self):
    a = np.arange(1, 13, dtype=np.float64).reshape(3, 4)
    v = np.array([3., 0., 1., 0.])
    for name, call in [
        ("tril", lambda m, x, y: m.tril(x)), ("triu", lambda m, x, y: m.triu(x, k=1)), ("roll", lambda m, x, y: m.roll(x, 2, axis=1)),
        ("tile", lambda m, x, y: m.tile(x, (2, 1))), ("moveaxis", lambda m, x, y: m.moveaxis(x, 0, -1)), ("diff", lambda m, x, y: m.diff(x, axis=0)),
        ("nonzero", lambda m, x, y: m.nonzero(y)[0]), ("count_nonzero", lambda m, x, y: m.count_nonzero(y)), ("outer", lambda m, x, y: m.outer(y, y)),
        ("searchsorted", lambda m, x, y: m.searchsorted(x[0], y, side="right")), ("tensordot", lambda m, x, y: m.tensordot(x, x, axes=((0, 1), (0, 1)))),
        ("vecdot", lambda m, x, y: m.vecdot(x, y)), ("stack", lambda m, x, y: m.stack([x, x], axis=1)), ("permute", lambda m, x, y: m.permute_dims(x, (1, 0))),
        ("expand", lambda m, x, y: m.expand_dims(x, axis=1)), ("clip", lambda m, x, y: m.clip(x, 3, 9)), ("where", lambda m, x, y: m.where(y > 0, x, 0.0)),
        ("take", lambda m, x, y: m.take(x, m.asarray([0, 2]), axis=1)), ("unstack", lambda m, x, y: m.unstack(x, axis=1)[2]), ("argmax", lambda m, x, y: m.argmax(x, axis=1)),
        ("var", lambda m, x, y: m.var(x, axis=0, correction=1)), ("prod", lambda m, x, y: m.prod(x, axis=1)), ("trace", lambda m, x, y: m.trace(x)),
        ("real", lambda m, x, y: m.real(m.asarray(y))), ("meshgrid", lambda m, x, y: m.meshgrid(y, y)[1]), ("concat", lambda m, x, y: m.concat([x, x], axis=None)),
        ("cumulative_sum", lambda m, x, y: m.cumulative_sum(x, axis=1, include_initial=True)), ("matmul", lambda m, x, y: m.matmul(x, m.matrix_transpose(x))),
        ("repeat", lambda m, x, y: m.repeat(x, 2, axis=0)), ("squeeze", lambda m, x, y: m.squeeze(x[:, :1], axis=1)), ("flip", lambda m, x, y: m.flip(x, axis=0)),
        ("broadcast_to", lambda m, x, y: m.broadcast_to(y, (3, 4))), ("max", lambda m, x, y: m.max(x, axis=(0, 1))), ("all", lambda m, x, y: m.all(x > 1, axis=0)),
    ]:
      with self.subTest(name):
        np.testing.assert_allclose(np.asarray(call(tenon, tenon.tensor(a), tenon.tensor(v))), call(np, a, v))

  def test_complex(self):
    z = tenon.tensor([1 + 2j, 3 - 1j])
    np.testing.assert_allclose((z * 2j + 1).numpy(), np.array([1 + 2j, 3 - 1j]) * 2j + 1)
    self.assertEqual((z + 1j).dtype, tenon.complex64)
    self.assertEqual((tenon.ones(1, dtype="float64") * 1j).dtype, tenon.complex128)
    self.assertEqual(tenon.real(z).tolist(), [1, 3])
    self.assertEqual(tenon.imag(z).tolist(), [2, -1])

  def test_namespace(self):
    t = tenon.zeros(1)
    self.assertIs(t.__array_namespace__(), tenon)
    self.assertIs(t.__array_namespace__(api_version="2023.12"), tenon)
    with self.assertRaises(ValueError):
      t.__array_namespace__(api_version="1999.01")
    info = tenon.__array_namespace_info__()
    self.assertEqual(info.default_dtypes()["real floating"], tenon.float32)
    self.assertEqual(info.default_device(), "cpu")
    self.assertEqual(set(info.dtypes(kind="real floating")), {"float32", "float64"})
    self.assertEqual(len(info.dtypes()), 13)
    self.assertIn(tenon.device("cpu"), info.devices())

  def test_dtypes(self):
    self.assertTrue(tenon.isdtype(tenon.int8, ("bool", "integral")))
    self.assertFalse(tenon.isdtype(tenon.float32, "integral"))
    self.assertTrue(tenon.isdtype(tenon.float32, tenon.float32))
    self.assertEqual(tenon.result_type(tenon.int8, tenon.uint8), tenon.int16)
    self.assertEqual(tenon.result_type(tenon.zeros(1), tenon.float64, 3), tenon.float64)
    self.assertTrue(tenon.can_cast(tenon.int8, tenon.int16))
    self.assertFalse(tenon.can_cast(tenon.int16, tenon.int8))
    self.assertEqual(np.dtype(tenon.float32), np.float32)
    self.assertEqual(np.zeros(2, dtype=tenon.int8).dtype, np.int8)
    self.assertEqual(tenon.float32, "float32")
    self.assertEqual(tenon.float32, np.float32)
    self.assertNotEqual(tenon.float32, tenon.float64)
    self.assertEqual(repr(tenon.bool), "tenon.bool")
    self.assertEqual(len({tenon.float32, tenon.zeros(1).dtype}), 1)
    with self.assertRaisesRegex(TypeError, "there is no dtype 'float99'; there are bool, uint8"):
      tenon.zeros(1, dtype="float99")

  def test_limits(self):
    for d in ["float32", "float64"]:
      ours, theirs = tenon.finfo(getattr(tenon, d)), np.finfo(d)
      for name in ["bits", "eps", "max", "min", "smallest_normal"]:
        self.assertEqual(getattr(ours, name), getattr(theirs, name))
    half = np.finfo(np.float16)
    self.assertEqual((tenon.finfo(tenon.float16).eps, tenon.finfo(tenon.float16).max), (half.eps, half.max))
    for d in ["int8", "uint8", "int64", "uint64"]:
      self.assertEqual((tenon.iinfo(d).min, tenon.iinfo(d).max), (np.iinfo(d).min, np.iinfo(d).max))

  def test_creation(self):
    for ours, theirs in [(tenon.arange(5), np.arange(5)), (tenon.arange(1, 10, 3), np.arange(1, 10, 3)), (tenon.arange(5.0), np.arange(5, dtype=np.float32)),
                         (tenon.linspace(0, 1, 5), np.linspace(0, 1, 5)), (tenon.linspace(0, 1, 5, endpoint=False), np.linspace(0, 1, 5, endpoint=False)),
                         (tenon.eye(3), np.eye(3)), (tenon.eye(2, 4, k=1), np.eye(2, 4, k=1)), (tenon.eye(4, 2, k=-1), np.eye(4, 2, k=-1)),
                         (tenon.full((2,), 3), np.full((2,), 3)), (tenon.zeros_like(tenon.ones(2)), np.zeros(2)), (tenon.empty((0, 2)), np.zeros((0, 2)))]:
      np.testing.assert_allclose(ours.numpy(), theirs)

  def test_devices(self):
    d = tenon.device("cpu")
    self.assertEqual((d, d.type, d.index, str(d), repr(d)), ("cpu", "cpu", 0, "cpu", "device('cpu')"))
    with self.assertRaisesRegex(RuntimeError, "no device 'nonesuch'|nonesuch"):
      tenon.device("nonesuch")


class PlainTest(unittest.TestCase):
  """The short ways of from_numpy(), numpy() and the buffer protocol say what the general ones say."""

  def test_flags_of_exported_arrays(self):
    a = np.arange(24.0).reshape(2, 3, 4)
    for view in [a, a.T, a[::-1], a[:, ::2], a[:, :1], a[0], a[0, 0, 0:1], np.asfortranarray(a), a[..., None], np.broadcast_to(a[0], (2, 3, 4))]:
      for writeable in (True, False):
        n = view.view()
        if n.flags.writeable:
          n.flags.writeable = writeable
        for t in (tenon.from_numpy(n), tenon.as_tensor(n)):
          for back in (t.numpy(), np.asarray(t), np.asarray(memoryview(t))):
            self.assertEqual((back.shape, back.dtype, back.__array_interface__["data"]), (n.shape, n.dtype, n.__array_interface__["data"]))
            # The stride of an axis of one element means nothing.
            self.assertEqual([s for s, size in zip(back.strides, n.shape) if size > 1], [s for s, size in zip(n.strides, n.shape) if size > 1])
            for flag in ("C_CONTIGUOUS", "F_CONTIGUOUS", "WRITEABLE", "ALIGNED", "OWNDATA"):
              self.assertEqual(back.flags[flag], n.flags[flag] and flag != "OWNDATA", flag)

  def test_buffers_of_every_rank(self):
    for shape in [(), (0,), (1,), (5,), (2, 3), (2, 0, 3), (1,) * 10]:
      for dtype in (tenon.int8, tenon.float32, tenon.complex128):
        t = tenon.zeros(shape, dtype=dtype)
        m = memoryview(t)
        self.assertEqual((m.shape, m.ndim, m.nbytes, m.contiguous), (shape, len(shape), t.nbytes, True))
        self.assertEqual(len(bytes(m)), t.nbytes)

  def test_a_subclass_may_hold_its_own_array(self):
    class Holder(tenon.Tensor):
      pass

    import gc
    import weakref
    t = tenon._tenon._as_subclass(tenon.zeros(3), Holder)
    t.array = t.numpy()
    gone = weakref.ref(t)
    del t
    gc.collect()
    self.assertIsNone(gone())


if __name__ == "__main__":
  unittest.main()
