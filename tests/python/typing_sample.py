"""What a type checker must understand of Tenon; typing_test.py checks it, and runs it."""
import sys
from typing import Any, Optional

import numpy as np

import tenon
from tenon import Tensor

if sys.version_info >= (3, 11):
  from typing import assert_type
else:

  def assert_type(value: Any, kind: Any) -> Any:
    return value


def scale(x: Tensor, by: float = 2.0) -> Tensor:
  return x * by + 1


x = tenon.tensor([1.0, 2.0, 3.0], requires_grad=True)
assert_type(x, Tensor)
assert_type(x.shape, tuple[int, ...])
assert_type(x.dtype, tenon.dtype)
assert_type(x.device, tenon.device)
assert_type(x.requires_grad, bool)
assert_type(x.grad, Optional[Tensor])
assert_type(scale(x), Tensor)
assert_type(2 * x, Tensor)
assert_type(x[1:], Tensor)
assert_type(x == 1.0, Tensor)
assert_type(x @ x, Tensor)
assert_type(x.float(), Tensor)
assert_type(x.sum(axis=0, keepdims=True), Tensor)
assert_type(x.reshape(3, 1), Tensor)
assert_type(len(x), int)
assert_type(x.numel(), int)
assert_type(x.is_contiguous(), bool)
assert_type(float(x[0]), float)
assert_type([row for row in x], list[Tensor])
assert_type(tenon.exp(x), Tensor)
assert_type(tenon.add(x, 1), Tensor)
assert_type(tenon.zeros((2, 3), dtype=tenon.float64), Tensor)
assert_type(tenon.rand(2, 3), Tensor)
assert_type(tenon.as_tensor(np.ones(3), copy=False), Tensor)
assert_type(tenon.explain(x).shared, bool)
assert_type(repr(x), str)
assert_type(tenon.bool, tenon.dtype)
memoryview(x.detach())
x.sum().backward()
x.requires_grad = False
x[0] = 5
x += 1


def refuse(error: tenon.Error) -> str:
  return str(error)


try:
  tenon.ones(2).reshape(3)
except tenon.ShapeError as e:
  refuse(e)


# Each of these is wrong, and never run; a checker that did not say so would make an unused comment of the ignore.
def wrong() -> None:
  x.nothing  # type: ignore[attr-defined]
  tenon.zeros()  # type: ignore[call-arg]
  x.shape = (1,)  # type: ignore[misc]
  x.requires_grad = "yes"  # type: ignore[assignment]
  tenon.tensor([1.0], requires_grad="no")  # type: ignore[arg-type]
