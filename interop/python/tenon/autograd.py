"""Functions with a backward of their own, and the engine's calls under PyTorch's module name.

    class Cube(tenon.autograd.Function):
      @staticmethod
      def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

      @staticmethod
      def backward(ctx, gradient):
        x, = ctx.saved_tensors
        return gradient * 3 * x * x

    y = Cube.apply(x)
"""
from types import SimpleNamespace

from ._grad_mode import enable_grad, no_grad, set_grad_enabled
from ._tenon import Tensor, Variable, _apply_function, backward, grad, gradcheck

__all__ = ["Function", "Variable", "backward", "enable_grad", "grad", "gradcheck", "no_grad", "set_grad_enabled"]


class FunctionContext:
  """What forward() hands to backward(): tensors through save_for_backward(), anything else as attributes."""

  def __init__(self, needs_input_grad):
    self.needs_input_grad = needs_input_grad
    self.saved_tensors = ()
    self._to_save = ()

  def save_for_backward(self, *tensors):
    """Keeps tensors for backward(), which refuses to run if one of them was written in between."""
    self._to_save = tensors


class Function:
  """Derive with static forward(ctx, ...) and backward(ctx, ...); call with apply(...).

  forward() runs without recording and returns a tensor or a tuple. backward() takes one gradient per output and returns one per
  argument of forward(), None where there is none. Written with Tenon's operations it can be differentiated again
  (create_graph=True).
  """

  @staticmethod
  def forward(ctx, *args):
    raise NotImplementedError("forward() is for the class that derives from Function")

  @staticmethod
  def backward(ctx, *gradients):
    raise NotImplementedError("backward() is for the class that derives from Function")

  @classmethod
  def apply(cls, *args):
    ctx = FunctionContext(tuple(isinstance(a, Tensor) and a.requires_grad for a in args))
    single = []

    def forward(context, *arguments):  # remembers whether it gave one tensor or a tuple
      result = cls.forward(context, *arguments)
      single.append(isinstance(result, Tensor))
      return result

    outputs = _apply_function(SimpleNamespace(forward=forward, backward=cls.backward), ctx, args)
    return outputs[0] if single[0] else tuple(outputs)
