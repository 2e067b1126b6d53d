"""What the Array API standard asks of a namespace beyond its functions."""
from collections import namedtuple

from . import _tenon

__array_api_version__ = "2024.12"

e = 2.718281828459045
inf = float("inf")
nan = float("nan")
newaxis = None
pi = 3.141592653589793

UniqueAllResult = namedtuple("UniqueAllResult", ("values", "indices", "inverse_indices", "counts"))
UniqueCountsResult = namedtuple("UniqueCountsResult", ("values", "counts"))
UniqueInverseResult = namedtuple("UniqueInverseResult", ("values", "inverse_indices"))


def unique_all(x, /):
  """The distinct elements in ascending order, where each stands first, where each of x's is among them, and how often."""
  return UniqueAllResult(*_tenon._unique(x))


def unique_counts(x, /):
  """The distinct elements in ascending order, and how often each occurs."""
  values, _, _, counts = _tenon._unique(x)
  return UniqueCountsResult(values, counts)


def unique_inverse(x, /):
  """The distinct elements in ascending order, and where each of x's is among them: values[inverse_indices] is x."""
  values, _, inverse, _ = _tenon._unique(x)
  return UniqueInverseResult(values, inverse)


_KINDS = ("bool", "signed integer", "unsigned integer", "real floating", "complex floating")


class __array_namespace_info__:
  """Capabilities, default dtypes and devices, as the standard names them."""

  __module__ = "tenon"

  def capabilities(self):
    return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

  def default_device(self):
    return _tenon.device()

  def default_dtypes(self, *, device=None):
    return {
        "real floating": _tenon.float32,
        "complex floating": _tenon.complex64,
        "integral": _tenon.int64,
        "indexing": _tenon.int64,
    }

  def devices(self):
    return [_tenon.device(name) for name in _tenon.devices()]

  def dtypes(self, *, device=None, kind=None):
    all_dtypes = [d for d in vars(_tenon).values() if isinstance(d, _tenon.dtype) and d.name not in ("float16", "bfloat16")]
    kind = _KINDS if kind is None else kind
    return {d.name: d for d in all_dtypes if _tenon.isdtype(d, kind)}
