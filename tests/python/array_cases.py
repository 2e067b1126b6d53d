"""Arrays of every dtype and layout, and objects that show an array by one protocol only: what the tests of conversions go through."""
import ml_dtypes
import numpy as np

DTYPES = ["?", "b", "B", "h", "H", "i", "I", "q", "Q", "l", "L", "e", "f", "d", "F", "D", ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn,
          ml_dtypes.float8_e5m2]
FOREIGN = [
    np.array([object(), None]), np.array(["a", "b"]), np.array([b"a"]), np.array(["2020-01-01"], "M8[D]"), np.array([1], "m8[s]"),
    np.zeros(2, "f4,i4"), np.zeros(2, np.longdouble), np.zeros(2, np.clongdouble), np.zeros(2, "V3"),
    np.zeros(2, ml_dtypes.float8_e4m3fnuz), np.zeros(2, ml_dtypes.int4),
]


def filled(shape, dtype):
  n = int(np.prod(shape))
  return np.asarray(np.arange(n).reshape(shape) % 2 if np.dtype(dtype) == bool else np.arange(n).reshape(shape)).astype(dtype)


def native(dtype):
  return dtype if dtype.isnative else dtype.newbyteorder("=")


def layouts(dtype):
  """name, array, does from_numpy share it"""
  a = filled((4, 6), dtype)
  yield "contiguous", a, True
  yield "transposed", filled((4, 6), dtype).T, True
  yield "reversed", filled((4, 6), dtype)[::-1, ::-1], True
  yield "gapped", filled((4, 6), dtype)[::2, 1::3], True
  yield "stride 0", np.broadcast_to(filled((6,), dtype), (4, 6)), True
  yield "0-d", filled((), dtype), True
  yield "empty", filled((3, 0), dtype), True
  yield "empty reversed", filled((3, 0), dtype)[::-1], True
  yield "length 1 axes", filled((1, 6, 1), dtype)[::-1, :, ::-1], True
  read_only = filled((4, 6), dtype)
  read_only.flags.writeable = False
  yield "read-only", read_only, True
  yield "fortran", np.asfortranarray(filled((4, 6), dtype)), True
  yield "many axes", filled((1,) * 20 + (2, 3), dtype), True
  size = np.dtype(dtype).itemsize
  if size > 1:
    raw = np.zeros(24 * size + 1, np.uint8)
    unaligned = raw[1:].view(dtype).reshape(4, 6)
    unaligned[...] = filled((4, 6), dtype)
    yield "unaligned", unaligned, False
    if np.dtype(dtype).kind != "V":
      packed = np.zeros((4, 6), np.dtype([("pad", "u1"), ("x", dtype)]))
      packed["x"] = filled((4, 6), dtype)
      yield "field of a packed record", packed["x"], False
      yield "byte-swapped", filled((4, 6), dtype).astype(np.dtype(dtype).newbyteorder(">")), False


class ArrayOnly:
  """Has __array__ and nothing else."""

  def __init__(self, a):
    self.a = a

  def __array__(self, dtype=None, copy=None):
    return self.a


class InterfaceOnly:

  def __init__(self, a, **changes):
    self.a = a
    self.__array_interface__ = dict(a.__array_interface__, **changes)


class DlpackOnly:
  """Hands out NumPy's capsules; the old protocol if asked."""

  def __init__(self, a, old=False):
    self.a, self.old, self.calls = a, old, []

  def __dlpack__(self, **keywords):
    self.calls.append(keywords)
    if self.old and keywords:
      raise TypeError("unexpected keyword")
    return self.a.__dlpack__(**keywords)

  def __dlpack_device__(self):
    return self.a.__dlpack_device__()
