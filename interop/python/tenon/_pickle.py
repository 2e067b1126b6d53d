"""How tensors are pickled and deep-copied: their elements, dtype, device and whether a gradient is wanted; not the graph.

A view pickles its own elements, not the whole memory that it looks at. The elements travel as bytes, so that NumPy is not needed;
with protocol 5 they go out of band without a copy.
"""
from . import _tenon
from ._tenon import Tensor


def _rebuild(buffer, shape, dtype, device, requires_grad, subclass=None):
  t = _tenon._from_bytes(buffer, shape, dtype).to(device)
  if requires_grad:
    t.requires_grad_()
  return t if subclass is None else _tenon._as_subclass(t, subclass)


def _reduce_ex(self, protocol):
  if not self.is_leaf:
    raise _tenon.AutogradError(
        "pickle: only leaves can be pickled or deep-copied; this tensor was made by an operation, whose graph does not "
        "travel: use t.detach()")
  flat = self.detach().cpu().contiguous()
  data = _tenon._bytes_of(flat)
  if protocol >= 5:
    from pickle import PickleBuffer  # here, so that `import tenon` does not import pickle
    data = PickleBuffer(data)
  else:
    data = bytes(data)
  subclass = None if type(self) is Tensor else type(self)
  state = self.__dict__ if subclass is not None and getattr(self, "__dict__", None) else None
  return _rebuild, (data, tuple(self.shape), self.dtype, str(self.device), self.requires_grad, subclass), state


def _deepcopy(self, memo):
  if id(self) in memo:
    return memo[id(self)]
  if not self.is_leaf:
    raise _tenon.AutogradError(
        "deepcopy: only tensors that are leaves support the deepcopy protocol; this one was made by an operation: "
        "use t.detach().clone()")
  t = self.detach().clone()
  if self.requires_grad:
    t.requires_grad_()
  if type(self) is not Tensor:
    t = _tenon._as_subclass(t, type(self))
    from copy import deepcopy
    t.__dict__.update(deepcopy(self.__dict__, memo))
  memo[id(self)] = t
  if self.grad is not None:
    t.grad = self.grad.clone()
  return t


def _copy(self):
  t = _tenon._as_subclass(self, type(self))
  if type(self) is not Tensor:
    t.__dict__.update(self.__dict__)
  return t


Tensor.__reduce_ex__ = _reduce_ex  # type: ignore[method-assign]
Tensor.__deepcopy__ = _deepcopy  # type: ignore[method-assign]
Tensor.__copy__ = _copy  # type: ignore[method-assign]
