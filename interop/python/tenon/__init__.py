"""Tenon: tensors with gradients on devices that plug in.

    import tenon
    x = tenon.tensor([1., 2., 3.], requires_grad=True)
    (x * x).sum().backward()
    x.grad                        # tensor([2., 4., 6.])

Names follow the Array API standard; item, detach, numpy, backward ... follow PyTorch. Every function says in its docstring what
it shares and what it copies. tenon.explain(x, to=...) says it of one conversion.
"""
from ._tenon import *  # noqa: F401,F403
from . import _tenon
from ._grad_mode import enable_grad, no_grad, set_grad_enabled
from ._pickle import _rebuild
from ._standard import __array_api_version__, __array_namespace_info__, e, inf, nan, newaxis, pi
from ._standard import unique_all, unique_counts, unique_inverse
from . import autograd, nn, optim
from ._version import __version__



def get_include():
  """The directory with tenon/abi/tenon_backend.h, the header that a backend is written against."""
  import os
  return os.path.join(os.path.dirname(__file__), "include")
