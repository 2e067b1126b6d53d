"""Every way into a tensor and out of it as a call without arguments, refusals too: what may not leak, and what threads do beside each other."""
import array
import copy
import os
import pickle
import tempfile

import ml_dtypes
import numpy as np

import tenon
from array_cases import ArrayOnly, DlpackOnly, InterfaceOnly


def refused(call):
  try:
    call()
  except (tenon.Error, TypeError, IndexError, BufferError):
    return
  raise AssertionError("not refused")


def take(capsule):
  tenon.from_dlpack(capsule)


def take_twice(capsule):
  tenon.from_dlpack(capsule)
  refused(lambda: tenon.from_dlpack(capsule))


def out_of_band():
  buffers = []
  pickle.loads(pickle.dumps(T, protocol=5, buffer_callback=buffers.append), buffers=buffers)


class Subclass(tenon.Tensor):
  pass


A = np.arange(64, dtype=np.float32)
RO = A.copy()
RO.flags.writeable = False
SWAPPED, OBJECTS, DATES = A.astype(">f4"), np.array([None, object()]), np.array([1], "M8[s]")
RECORDS = np.zeros(3, [("pad", "u1"), ("x", "<f4")])
HALF, SMALL = A.astype(ml_dtypes.bfloat16), A.astype(ml_dtypes.float8_e5m2)
NUMBERS, BYTES = array.array("d", [1, 2, 3]), bytes(64)
INTERFACE, ARRAY, DLPACK, OLD_DLPACK = InterfaceOnly(A), ArrayOnly(A), DlpackOnly(A), DlpackOnly(A, old=True)
BAD_INTERFACE, BAD_ADDRESS = InterfaceOnly(A, typestr="<f3"), InterfaceOnly(A, data=None)
T = tenon.arange(64.0)
M = tenon.zeros((4, 4))
G = tenon.arange(64.0).requires_grad_()
S = tenon._tenon._as_subclass(tenon.zeros(3), Subclass)
TH, TS = tenon.from_numpy(HALF), tenon.from_numpy(SMALL)
PICKLE = pickle.dumps(T)
DLPACK.calls = OLD_DLPACK.calls = type("Forgets", (), {"append": lambda self, x: None})()

CALLS = {
    "from_numpy": lambda: tenon.from_numpy(A),
    "from_numpy reversed view": lambda: tenon.from_numpy(A[::-1])[3:],
    "from_numpy read-only": lambda: tenon.from_numpy(RO),
    "from_numpy of ml_dtypes": lambda: (tenon.from_numpy(HALF), tenon.from_numpy(SMALL)),
    "as_tensor": lambda: tenon.as_tensor(A),
    "as_tensor, copying": lambda: tenon.as_tensor(A, dtype="float64"),
    "as_tensor(tensor)": lambda: tenon.as_tensor(T, copy=True),
    "asarray": lambda: tenon.asarray(A, copy=True),
    "tensor(array)": lambda: tenon.tensor(A),
    "tensor(byte-swapped)": lambda: tenon.tensor(SWAPPED),
    "tensor(field of a record)": lambda: tenon.tensor(RECORDS["x"]),
    "tensor(list)": lambda: tenon.tensor([1.0, 2.0, 3]),
    "tensor(nested list)": lambda: tenon.tensor([[1, 2j], [True, 0.5]]),
    "tensor(list of arrays)": lambda: tenon.tensor([A, A]),
    "tensor(list of tensors)": lambda: tenon.tensor([T, T]),
    "tensor(list of scalars)": lambda: tenon.tensor([A[0], A[1]]),
    "tensor(number)": lambda: (tenon.tensor(1.5), tenon.tensor(A[0])),
    "Tensor": lambda: tenon.Tensor([1, 2]),
    "numpy": lambda: T.numpy()[1:],
    "numpy of a reversed view": lambda: T[::-2].numpy(),
    "numpy of bfloat16, float8": lambda: (TH.numpy(), TS.numpy()),
    "numpy(force)": lambda: G.numpy(force=True),
    "np.asarray": lambda: np.asarray(T),
    "np.asarray of a reversed view": lambda: np.asarray(M[::-1, ::2]),
    "np.array": lambda: np.array(T, dtype=np.float64),
    "memoryview": lambda: memoryview(T).release(),
    "np.frombuffer": lambda: np.frombuffer(T, np.uint8),
    "buffer in": lambda: tenon.as_tensor(memoryview(A)),
    "array.array, bytes in": lambda: (tenon.as_tensor(NUMBERS), tenon.tensor(BYTES)),
    "__array_interface__ out": lambda: T.__array_interface__,
    "__array_interface__ in": lambda: (tenon.as_tensor(INTERFACE), tenon.tensor(INTERFACE)),
    "__array__ out": lambda: T.__array__(np.float64),
    "__array__ in": lambda: tenon.as_tensor(ARRAY),
    "dlpack out": lambda: T.__dlpack__(max_version=(1, 0)),
    "dlpack out unversioned": lambda: T.__dlpack__(),
    "dlpack out, a copy": lambda: T.__dlpack__(max_version=(1, 0), copy=True),
    "dlpack in": lambda: tenon.from_dlpack(A),
    "dlpack in, an object": lambda: tenon.from_dlpack(DLPACK),
    "dlpack in, unversioned": lambda: tenon.from_dlpack(OLD_DLPACK),
    "dlpack round": lambda: take(T.__dlpack__(max_version=(1, 0))),
    "dlpack round unversioned": lambda: take(T.__dlpack__()),
    "np.from_dlpack": lambda: np.from_dlpack(T),
    "pickle": lambda: pickle.loads(pickle.dumps(T)),
    "pickle out of band": out_of_band,
    "unpickle": lambda: pickle.loads(PICKLE),
    "copy, deepcopy": lambda: (copy.copy(T), copy.deepcopy(T), copy.deepcopy(S)),
    "clone, detach, to": lambda: (G.clone(), G.detach(), T.to("float64"), T.cpu(), T.to("cpu", copy=True)),
    "mixed operators": lambda: A + T + A,
    "ufunc": lambda: np.sin(T),
    "tolist": lambda: T.tolist(),
    "item": lambda: (T[3].item(), float(T[3]), int(T[3])),
    "iterate": lambda: list(M),
    "views": lambda: (M.T, M.reshape(16), M[1, 2], M[..., None, 1]),
    "index": lambda: (T[1:5], T[[1, 2]], T[T > 3]),
    "assign": lambda: T.__setitem__(slice(0, 3), A[:3]),
    "assign elements": lambda: (T.__setitem__(5, 1.5), M.__setitem__((1, 2), 3)),
    "repr": lambda: repr(T[:3]),
    "explain": lambda: tenon.explain(A, dtype="float64"),
    "backward": lambda: (G * A).sum().backward(),
    "hook": lambda: G.register_hook(lambda g: None).remove(),
    "attributes": lambda: (T.shape, T.dtype, T.device, T.grad, T.strides),
    "refused: swapped": lambda: refused(lambda: tenon.from_numpy(SWAPPED)),
    "refused: objects": lambda: refused(lambda: tenon.tensor(OBJECTS)),
    "refused: dates, records": lambda: (refused(lambda: tenon.tensor(DATES)), refused(lambda: tenon.as_tensor(RECORDS))),
    "refused: gradient": lambda: refused(lambda: G.numpy()),
    "refused: copy=False": lambda: refused(lambda: tenon.as_tensor(A, dtype="int8", copy=False)),
    "refused: ragged": lambda: refused(lambda: tenon.tensor([[1], [2, 3]])),
    "refused: text": lambda: refused(lambda: tenon.tensor(["a"])),
    "refused: fraction": lambda: refused(lambda: tenon.tensor([1, 2.5], dtype="int8")),
    "refused: index": lambda: refused(lambda: T[100]),
    "refused: mask": lambda: refused(lambda: T[M > 0]),
    "refused: assigned index": lambda: refused(lambda: T.__setitem__(100, 1.0)),
    "refused: assigned number": lambda: refused(lambda: T.__setitem__(1, 1 << 70)),
    "refused: buffer": lambda: refused(lambda: memoryview(G)),
    "refused: interface": lambda: (refused(lambda: tenon.as_tensor(BAD_INTERFACE)), refused(lambda: tenon.as_tensor(BAD_ADDRESS))),
    "refused: read-only": lambda: refused(lambda: tenon.from_numpy(RO).add_(1)),
    "refused: dlpack": lambda: refused(lambda: tenon.from_dlpack(T.__dlpack__(copy=True)).reshape(7)),
    "refused: dlpack of a gradient": lambda: refused(lambda: G.__dlpack__()),
    "refused: dlpack byte-swapped": lambda: refused(lambda: tenon.from_dlpack(SWAPPED)),
    "refused: capsule used twice": lambda: (take_twice(T.__dlpack__(max_version=(1, 0))), take_twice(T.__dlpack__())),
    "refused: pickle": lambda: refused(lambda: pickle.dumps(G * 2)),
    "refused: item, bool": lambda: (refused(lambda: T.item()), refused(lambda: T.tolist(1))),
}

# Files are written until they are on the disk, which takes a millisecond where there is one.
FOLDER = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
PATHS = {ending: os.path.join(FOLDER.name, "a" + ending) for ending in (".npy", ".npz", ".safetensors")}
BROKEN = {ending: os.path.join(FOLDER.name, "broken" + ending) for ending in PATHS}
FILES = {}
for _ending, _path in PATHS.items():
  _data = T if _ending == ".npy" else {"a": T, "b": M}
  tenon.save(_path, _data)
  with open(_path, "rb") as _whole, open(BROKEN[_ending], "wb") as _part:
    _part.write(_whole.read()[:-20])
  FILES["save " + _ending] = lambda path=_path, data=_data: tenon.save(path, data)
  FILES["load " + _ending] = lambda path=_path: tenon.load(path)
  FILES["map " + _ending] = lambda path=_path: tenon.load(path, mmap=True)
  FILES["refused: broken " + _ending] = lambda path=BROKEN[_ending]: refused(lambda: tenon.load(path))
FILES["save .npz compressed, bits"] = lambda: tenon.save(PATHS[".npz"], {"a": TH, "b": TS}, compressed=True, view_as="bits")
FILES["refused: no such file"] = lambda: refused(lambda: tenon.load(BROKEN[".npy"] + ".npy"))
FILES["refused: bfloat16 in .npy"] = lambda: refused(lambda: tenon.save(PATHS[".npy"], TH))

OBJECTS_WATCHED = [A, RO, SWAPPED, OBJECTS, DATES, RECORDS, HALF, SMALL, NUMBERS, BYTES, INTERFACE, ARRAY, DLPACK, OLD_DLPACK, T, M, G, S, TH, TS, PICKLE,
                   Subclass, tenon.float32, tenon.Tensor, np.dtype(np.float32), np.dtype(np.float64), np.ndarray]
