"""DLPack and __cuda_array_interface__ on CUDA, over the fake driver. The other library is this file: it has the driver and ctypes.

On the fake, device memory is memory of this process, so that what is there is read without Tenon.
"""
import ctypes
import gc
import os
import struct
import unittest

HERE = os.getcwd()
FAKE = os.path.join(HERE, "tests/cuda/libfake_cuda.so")
os.environ.update(TENON_CUDA_DRIVER=FAKE, TENON_BACKEND_PATH=os.path.join(HERE, "backends/cuda/backend_dir"), TENON_KERNEL_CACHE="off")

import tenon  # noqa: E402

driver = ctypes.CDLL(FAKE)


class FakeDriver(ctypes.Structure):
  """tests/cuda/fake_driver.h"""
  _fields_ = ([(name, ctypes.c_int) for name in (
      "version init_result devices crash_in_init fail_alloc_at fail_pinned fail_launch_at fault_at_launch refuse_images busy ended "
      "initialised_in live_allocations live_pinned live_streams live_events live_modules live_contexts launches unknown_kernels "
      "last_blocks last_threads").split()] + [("last_kernel", ctypes.c_char * 128), ("context_depth", ctypes.c_int),
                                              ("staged_copies", ctypes.c_int), ("host_waits", ctypes.c_int),
                                              ("waiting_stream", ctypes.c_void_p), ("earlier_stream", ctypes.c_void_p)])


driver.tenon_fake_driver.restype = ctypes.POINTER(FakeDriver)
fake = driver.tenon_fake_driver().contents
fake.devices = 2
assert "cuda:1" in tenon.devices()  # before this file initialises CUDA: Tenon looks in a forked child


class DLTensor(ctypes.Structure):
  _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int), ("device_id", ctypes.c_int), ("ndim", ctypes.c_int),
              ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
              ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class Versioned(ctypes.Structure):
  pass


Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(Versioned))
Versioned._fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("context", ctypes.c_void_p), ("deleter", Deleter),
                      ("flags", ctypes.c_uint64), ("tensor", DLTensor)]


class Unversioned(ctypes.Structure):
  _fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


api = ctypes.pythonapi
api.PyCapsule_New.restype = ctypes.py_object
api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
api.PyCapsule_GetPointer.restype = ctypes.c_void_p
api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
api.PyCapsule_IsValid.argtypes = [ctypes.py_object, ctypes.c_char_p]


def in_context(device, call):
  context, popped = ctypes.c_void_p(), ctypes.c_void_p()
  driver.cuInit(0)
  assert driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 100 + device) == 0
  driver.cuCtxPushCurrent_v2(context)
  result = call()
  driver.cuCtxPopCurrent_v2(ctypes.byref(popped))
  driver.cuDevicePrimaryCtxRelease_v2(100 + device)
  return result


class DeviceArray:
  """float32 on a CUDA device."""

  def __init__(self, values, shape, strides, first=0, device=0, flags=0):
    self.bytes = 4 * len(values)
    self.device = device
    address = ctypes.c_void_p()
    assert in_context(device, lambda: driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(self.bytes))) == 0
    self.address = address.value
    self.write(values)
    self.shape, self.strides, self.first, self.flags = shape, strides, first, flags

  def __del__(self):
    in_context(self.device, lambda: driver.cuMemFree_v2(ctypes.c_void_p(self.address)))

  def write(self, values):
    ctypes.memmove(self.address, struct.pack("%df" % len(values), *values), 4 * len(values))

  def read(self):
    return list(struct.unpack("%df" % (self.bytes // 4), ctypes.string_at(self.address, self.bytes)))


class Producer(DeviceArray):
  """With __dlpack__ as the standard has it."""
  alive = []  # structs that no consumer has released

  def __init__(self, *arguments, **keywords):
    super().__init__(*arguments, **keywords)
    self.deleted, self.asked, self.says_device = 0, [], (2, self.device)

  def __dlpack_device__(self):
    return self.says_device

  def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    self.asked.append(stream)
    n = len(self.shape)
    keep = [(ctypes.c_int64 * n)(*self.shape), (ctypes.c_int64 * n)(*self.strides), self]

    @Deleter
    def deleter(_):
      self.deleted += 1
      Producer.alive.remove(keep)

    tensor = DLTensor(self.address, *self.says_device, n, 2, 32, 1, keep[0], keep[1], 4 * self.first)
    managed = Versioned(1, 0, None, deleter, self.flags, tensor)
    keep += [managed, deleter]
    Producer.alive.append(keep)
    self.capsule = api.PyCapsule_New(ctypes.addressof(managed), b"dltensor_versioned", None)
    return self.capsule


class OldProducer(Producer):

  def __dlpack__(self, stream=None):
    return super().__dlpack__(stream=stream)


class CudaArray(DeviceArray):
  """With __cuda_array_interface__ alone."""

  def __init__(self, *arguments, **changes):
    super().__init__(*arguments)
    self.changes = changes

  @property
  def __cuda_array_interface__(self):
    strides = tuple(4 * s for s in self.strides)
    return {"version": 3, "shape": tuple(self.shape), "strides": strides, "typestr": "<f4",
            "data": (self.address + 4 * self.first, False), "stream": None, **self.changes}


def our_stream():
  """The native handle of Tenon's current stream on cuda:0, by the table of C functions."""
  table = api.PyCapsule_GetPointer(tenon.Tensor.__dlpack_c_exchange_api__, b"dlpack_exchange_api")
  current = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))(
      ctypes.c_uint64.from_address(table + 48).value)
  out = ctypes.c_void_p(5)
  assert current(1, 0, ctypes.byref(out)) == 0 and out.value is None  # nothing is in flight on the host
  assert current(2, 0, ctypes.byref(out)) == 0
  return out.value


def tensor_of(capsule):
  return Versioned.from_address(api.PyCapsule_GetPointer(capsule, b"dltensor_versioned"))


def settle():
  gc.collect()
  tenon.synchronize("cuda:0")


class ImportTest(unittest.TestCase):

  def test_shares_and_tells_our_stream(self):
    p = Producer([1, 2, 3, 4, 5, 6], (2, 3), (3, 1))
    waits = fake.host_waits
    t = tenon.from_dlpack(p)
    self.assertEqual(fake.host_waits, waits)
    self.assertEqual(p.asked, [our_stream()])
    self.assertEqual(str(t.device), "cuda:0")
    self.assertEqual(t.tolist(), [[1, 2, 3], [4, 5, 6]])
    p.write([9])
    self.assertEqual(t.tolist()[0], [9, 2, 3])
    t.fill_(7)
    settle()
    self.assertEqual(p.read(), [7] * 6)
    self.assertEqual(p.deleted, 0)
    del t
    settle()
    self.assertEqual(p.deleted, 1)

  def test_the_deleter_waits_for_work(self):
    p = Producer([1, 2], (2,), (1,))
    t = tenon.from_dlpack(p)
    fake.busy = 1
    del t
    self.assertEqual(p.deleted, 0)
    fake.busy = 0
    settle()
    self.assertEqual(p.deleted, 1)

  def test_old_producers_are_told_too(self):
    p = OldProducer([1, 2, 3], (3,), (-1,), first=2)
    t = tenon.from_dlpack(p)
    self.assertEqual(t.tolist(), [3, 2, 1])
    self.assertEqual(p.asked, [our_stream()])

  def test_every_door(self):
    p = Producer([1, 2], (2,), (1,), flags=1)
    self.assertTrue(tenon.from_dlpack(p).read_only)
    shared = tenon.as_tensor(p, copy=False)
    copied, made = tenon.as_tensor(p, copy=True), tenon.tensor(p)
    sum_ = tenon.tensor([1.0, 1.0]).cuda() + p
    host = tenon.from_dlpack(p, device="cpu")
    p.write([5, 6])
    for t, values in [(shared, [5, 6]), (copied, [1, 2]), (made, [1, 2]), (sum_, [2, 3]), (host, [1, 2])]:
      self.assertEqual(t.tolist(), values)
    self.assertEqual(str(host.device), "cpu")
    self.assertIn("the memory is read-only", tenon.explain(p).why)
    self.assertTrue(tenon.explain(p).shared)
    report = tenon.explain(p, device="cpu")
    self.assertFalse(report.shared)
    self.assertIn("another device", report.why)
    self.assertFalse(tenon.explain(Producer([1], (1,), (1,), flags=2)).shared)

  def test_refusals_consume_nothing(self):
    cases = [({"device": 1}, (2, 0), "is memory of cuda:1, not of cuda:0"), ({}, (2, 1), "is memory of cuda:0, not of cuda:1"),
             ({}, (2, 9), "no device of this process"), ({"first": 2**36}, (2, 0), "no memory that CUDA knows")]
    for keywords, says, text in cases:
      p = Producer([1, 2], (2,), (1,), **keywords)
      p.says_device = says
      with self.assertRaisesRegex(BufferError, text):
        tenon.from_dlpack(p)
      if p.asked:
        self.assertTrue(api.PyCapsule_IsValid(p.capsule, b"dltensor_versioned"))
      settle()
      self.assertEqual(p.deleted, 0)
    Producer.alive.clear()

  def test_nothing_leaks(self):
    del Producer.alive[:]
    settle()
    live = fake.live_allocations
    for _ in range(100):
      t = tenon.from_dlpack(Producer([1, 2], (2,), (1,)))
      u = tenon.from_dlpack(t)
      v = tenon.as_tensor(CudaArray([1, 2], (2,), (1,)))
      self.assertEqual((u.tolist(), v.tolist()), ([1, 2], [1, 2]))
    del t, u, v
    for _ in range(3):
      settle()
    self.assertEqual(fake.live_allocations, live)
    self.assertEqual(Producer.alive, [])
    self.assertEqual(fake.context_depth, 0)


class ExportTest(unittest.TestCase):

  def test_the_consumers_stream_waits(self):
    t = tenon.tensor([1.0, 2.0, 3.0]).cuda()
    settle()
    waits = fake.host_waits
    for stream, waiting in [(None, 1), (1, 1), (2, 2), (0x7F00, 0x7F00)]:
      fake.waiting_stream = None
      t.__dlpack__(stream=stream, max_version=(1, 3))
      self.assertEqual(fake.waiting_stream, waiting)
      self.assertEqual(fake.earlier_stream, our_stream())
    fake.waiting_stream = None
    t.__dlpack__(stream=-1)
    self.assertIsNone(fake.waiting_stream)
    self.assertEqual(fake.host_waits, waits)
    with self.assertRaisesRegex(BufferError, "stream 0 is ambiguous"):
      t.__dlpack__(stream=0)

  def test_the_struct_names_the_memory(self):
    t = tenon.arange(6, dtype=tenon.float32).cuda()[1:]  # in the middle of a block of the cache
    self.assertEqual(t.__dlpack_device__(), (2, 0))
    capsule = t.__dlpack__(stream=-1, max_version=(1, 0))
    d = tensor_of(capsule).tensor
    self.assertEqual((d.device_type, d.device_id, d.ndim, d.code, d.bits, d.shape[0], d.strides[0], d.byte_offset), (2, 0, 1, 2, 32, 5, 1, 0))
    self.assertEqual(list(struct.unpack("5f", ctypes.string_at(d.data, 20))), [1, 2, 3, 4, 5])
    ctypes.memmove(d.data, struct.pack("f", 9), 4)
    self.assertEqual(t.tolist(), [9, 2, 3, 4, 5])
    self.assertEqual(tensor_of(capsule).flags, 0)
    on_host = t.__dlpack__(max_version=(1, 0), dl_device=(1, 0))
    host = tensor_of(on_host)
    self.assertEqual((host.tensor.device_type, host.flags), (1, 2))

  def test_memory_outlives_the_tensor(self):
    capsule = tenon.tensor([4.0, 5.0]).cuda().__dlpack__(max_version=(1, 0))
    settle()
    d = tensor_of(capsule).tensor
    self.assertEqual(struct.unpack("2f", ctypes.string_at(d.data, 8)), (4, 5))


class CudaArrayTest(unittest.TestCase):

  def test_in(self):
    for arguments, values in [(([1, 2, 3, 4], (2, 2), (2, 1)), [[1, 2], [3, 4]]), (([1, 2, 3, 4], (2,), (-2,), 3), [4, 2])]:
      x = CudaArray(*arguments)
      t = tenon.as_tensor(x, copy=False)
      self.assertEqual(t.tolist(), values)
      t.fill_(6)
      settle()
      self.assertIn(6, x.read())
    x = CudaArray([1, 2], (2,), (1,))
    self.assertEqual(tenon.from_dlpack(x).tolist(), [1, 2])
    self.assertTrue(tenon.explain(x).shared)
    self.assertFalse(tenon.explain(x, dtype=tenon.float64).shared)
    made = tenon.tensor(x)
    x.write([8, 8])
    self.assertEqual(made.tolist(), [1, 2])
    self.assertEqual((tenon.tensor([1.0, 1.0]).cuda() + x).tolist(), [9, 9])
    self.assertEqual(tenon.as_tensor(CudaArray([1, 2], (2,), (1,), strides=None)).tolist(), [1, 2])
    x = CudaArray([1, 2], (2,), (1,))
    x.changes["data"] = (x.address, True)
    self.assertTrue(tenon.as_tensor(x).read_only)
    empty = tenon.as_tensor(CudaArray([1], (0, 3), (3, 1), data=(0, False)))
    self.assertEqual((empty.shape, str(empty.device)), ((0, 3), "cuda:0"))
    x = CudaArray([0], (2,), (1,), typestr="<i2", strides=None)
    ctypes.memmove(x.address, struct.pack("2h", 3, -4), 4)
    self.assertEqual(tenon.as_tensor(x).tolist(), [3, -4])
    self.assertEqual(str(tenon.as_tensor(DeviceCopy(1)).device), "cuda:1")

  def test_its_stream_is_waited_for(self):
    waits = fake.host_waits
    for stream in [1, 2, 0x7F40]:
      fake.waiting_stream = None
      tenon.as_tensor(CudaArray([1], (1,), (1,), stream=stream))
      self.assertEqual((fake.waiting_stream, fake.earlier_stream), (our_stream(), stream))
    fake.waiting_stream = None
    tenon.as_tensor(CudaArray([1], (1,), (1,), stream=None))
    self.assertIsNone(fake.waiting_stream)
    self.assertEqual(fake.host_waits, waits)

  def test_refused(self):
    cases = [({"mask": object()}, "has a mask, which a tensor cannot keep"), ({"typestr": ">f4"}, "byte order"),
             ({"typestr": "|V4", "descr": [("x", "<f4")]}, "for which there is no dtype"), ({"strides": (6,)}, "not a multiple"),
             ({"stream": 0}, "stream 0 of CudaArray is ambiguous"), ({"data": (ctypes.addressof(fake), False)}, "no memory that CUDA knows"),
             ({"data": 5}, "gives no address"), ({"shape": [2]}, "lacks shape or typestr")]
    for changes, text in cases:
      x = CudaArray([1, 2], (2,), (1,), **changes)
      with self.assertRaisesRegex(Exception, text):
        tenon.as_tensor(x)
      with self.assertRaisesRegex(Exception, text):
        tenon.tensor(x)
    x = CudaArray([1, 2], (1,), (1,))
    x.changes["data"] = (x.address + 2, False)
    with self.assertRaisesRegex(Exception, "not aligned for the dtype"):
      tenon.as_tensor(x)
    with self.assertRaisesRegex(Exception, "without a copy"):
      tenon.as_tensor(CudaArray([1], (1,), (1,)), device="cpu", copy=False)

  def test_out(self):
    t = tenon.tensor([[1.0, 2.0], [3.0, 4.0]]).cuda()
    settle()
    waits = fake.host_waits
    d = t.__cuda_array_interface__
    self.assertEqual(fake.host_waits, waits)
    address = d.pop("data")
    self.assertEqual(d, {"version": 3, "shape": (2, 2), "strides": None, "typestr": "<f4", "stream": our_stream()})
    self.assertEqual(struct.unpack("4f", ctypes.string_at(address[0], 16)), (1, 2, 3, 4))
    self.assertIs(address[1], False)
    columns = t[:, ::-1].__cuda_array_interface__
    self.assertEqual((columns["strides"], columns["data"][0]), ((8, -4), address[0] + 4))
    self.assertEqual(tenon.zeros((0, 2)).cuda().__cuda_array_interface__["data"], (0, False))
    self.assertEqual(tenon.tensor([True]).cuda().__cuda_array_interface__["typestr"], "|b1")
    frozen = tenon.from_dlpack(Producer([1], (1,), (1,), flags=1))
    self.assertIs(frozen.__cuda_array_interface__["data"][1], True)
    with self.assertRaisesRegex(Exception, "use t.detach()"):
      t.clone().requires_grad_().__cuda_array_interface__  # noqa: B018
    with self.assertRaisesRegex(Exception, "the protocol has no bfloat16"):
      t.to(tenon.bfloat16).__cuda_array_interface__  # noqa: B018
    self.assertFalse(hasattr(tenon.zeros(1), "__cuda_array_interface__"))

  def test_files_and_numpy_say_what_to_do(self):
    with self.assertRaisesRegex(Exception, "share it with as_tensor"):
      tenon.save("/nowhere/x.npy", CudaArray([1], (1,), (1,)))


class DeviceCopy(CudaArray):
  """On another device: the protocol does not say which."""

  def __init__(self, device):
    DeviceArray.__init__(self, [1, 2], (2,), (1,), device=device)
    self.changes = {}


if __name__ == "__main__":
  unittest.main()
