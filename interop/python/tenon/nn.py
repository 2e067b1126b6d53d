"""Layers and losses.

    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    loss = nn.CrossEntropyLoss()(model(x), y)

A module is a plain object: attributes that are Parameters, modules, or lists, tuples and dicts of them, are its members; nothing is
registered anywhere. Names and shapes are PyTorch's, so that state dicts are exchanged.
"""
from . import _tenon
from ._tenon import (Tensor, binary_cross_entropy_with_logits, cross_entropy, dropout, huber_loss, l1_loss,
                     layer_norm, linear, mse_loss, softmax)


class Parameter(Tensor):
  """A tensor that belongs to a module and wants a gradient."""

  def __new__(cls, data, requires_grad=True):
    t = data if isinstance(data, Tensor) else _tenon.tensor(data)
    self = _tenon._as_subclass(t.detach(), cls)
    if requires_grad:
      self.requires_grad_()
    return self

  def __init__(self, data, requires_grad=True):
    pass

  def __repr__(self):
    return "Parameter containing:\n" + super().__repr__()


class Module:
  """Base of all layers and models. Give it a forward()."""

  training = True

  def forward(self, *args):
    raise NotImplementedError("%s has no forward()" % type(self).__name__)

  def __call__(self, *args, **kwargs):
    return self.forward(*args, **kwargs)

  def named_children(self):
    """Names and member modules."""
    for name, value in _members(vars(self)):
      if isinstance(value, Module):
        yield name, value

  def named_modules(self, prefix=""):
    """This module and all below it, with their full names; each once."""
    seen = set()
    stack = [(prefix, self)]
    while stack:
      name, module = stack.pop()
      if id(module) in seen:
        continue
      seen.add(id(module))
      yield name, module
      children = [(name + "." + n if name else n, m) for n, m in module.named_children()]
      stack.extend(reversed(children))

  def modules(self):
    return (m for _, m in self.named_modules())

  def _all_parameters(self):
    for prefix, module in self.named_modules():
      for name, value in _members(vars(module)):
        if isinstance(value, Parameter):
          yield prefix + "." + name if prefix else name, value

  def named_parameters(self):
    """Full names and parameters, each parameter once."""
    seen = set()
    for name, p in self._all_parameters():
      if id(p) not in seen:
        seen.add(id(p))
        yield name, p

  def parameters(self):
    """The parameters themselves: what an optimizer takes."""
    return [p for _, p in self.named_parameters()]

  def state_dict(self):
    """Names and values; the tensors share memory with the parameters but know no gradient."""
    return {name: p.detach() for name, p in self._all_parameters()}

  def load_state_dict(self, state):
    """Copies values in. Names and shapes must fit: otherwise everything that does not is listed and nothing changed."""
    _tenon._copy_state("load_state_dict", state, self.state_dict())

  def to(self, *args, **kwargs):
    """Moves every parameter to a device or dtype; make optimizers afterwards."""
    moved = {}

    def move(p):
      if id(p) not in moved:
        t = p.detach().to(*args, **kwargs)
        moved[id(p)] = (p, p if _tenon.shares_memory(t, p) else Parameter(t, p.requires_grad))
      return moved[id(p)][1]

    for module in self.modules():
      _replace_parameters(vars(module), move)
    return self

  def cpu(self):
    return self.to("cpu")

  def cuda(self, device=0):
    return self.to("cuda:%d" % device)

  def train(self, mode=True):
    """Dropout and its like do their work in training only."""
    for module in self.modules():
      module.training = bool(mode)
    return self

  def eval(self):
    return self.train(False)

  def requires_grad_(self, requires_grad=True):
    for p in self.parameters():
      p.requires_grad_(requires_grad)
    return self

  def zero_grad(self):
    """Forgets the parameters' gradients."""
    for p in self.parameters():
      p.grad = None

  def extra_repr(self):
    return ""

  def __repr__(self):
    lines = ["  (%s): %s" % (n, repr(m).replace("\n", "\n  ")) for n, m in self.named_children()]
    name, extra = type(self).__name__, self.extra_repr()
    return "%s(%s)" % (name, extra) if not lines else "%s(\n%s\n)" % (name, "\n".join(lines))


def _members(attributes):
  """Names and values, with lists, tuples and dicts opened: layers.0, layers.1."""
  for name, value in attributes.items():
    if isinstance(value, (list, tuple)):
      yield from _members({"%s.%d" % (name, i): v for i, v in enumerate(value)})
    elif isinstance(value, dict):
      yield from _members({"%s.%s" % (name, k): v for k, v in value.items()})
    else:
      yield name, value


def _replace_parameters(container, move):
  items = container.items() if isinstance(container, dict) else enumerate(container)
  for key, value in list(items):
    if isinstance(value, Parameter):
      container[key] = move(value)
    elif isinstance(value, tuple):
      values = list(value)
      _replace_parameters(values, move)
      container[key] = tuple(values)
    elif isinstance(value, (list, dict)):
      _replace_parameters(value, move)


class Linear(Module):
  """x @ weight.T + bias over the last axis: [.., in_features] -> [.., out_features]."""

  def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    weight, bias = _tenon._linear_parameters(in_features, out_features, bias)
    self.weight = Parameter(weight)
    self.bias = None if bias is None else Parameter(bias)

  def forward(self, x):
    return linear(x, self.weight, self.bias)

  def extra_repr(self):
    return "in_features=%d, out_features=%d, bias=%s" % (self.in_features, self.out_features, self.bias is not None)


class LayerNorm(Module):
  """Normalizes over the last axes, whose sizes are `normalized_shape` (an int: the last one), then scales and shifts."""

  def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    self.normalized_shape, self.eps = shape, eps
    self.weight = Parameter(_tenon.ones(shape)) if elementwise_affine else None
    self.bias = Parameter(_tenon.zeros(shape)) if elementwise_affine and bias else None

  def forward(self, x):
    return layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

  def extra_repr(self):
    return "%s, eps=%g, elementwise_affine=%s" % (self.normalized_shape, self.eps, self.weight is not None)


class Sequential(Module):
  """Layers one after the other."""

  def __init__(self, *layers):
    for i, layer in enumerate(layers):
      setattr(self, str(i), layer)

  def _layers(self):
    return [m for _, m in self.named_children()]

  def forward(self, x):
    for layer in self._layers():
      x = layer(x)
    return x

  def __len__(self):
    return len(self._layers())

  def __getitem__(self, i):
    return self._layers()[i]

  def __iter__(self):
    return iter(self._layers())


class Dropout(Module):
  """In training each element is 0 with probability p and the others grow by 1 / (1 - p); else x itself."""

  def __init__(self, p=0.5):
    if not 0 <= p < 1:
      raise _tenon.InvalidArgumentError("Dropout: p is %g; it must be at least 0 and below 1" % p)
    self.p = p

  def forward(self, x):
    return dropout(x, self.p) if self.training else x

  def extra_repr(self):
    return "p=%g" % self.p


class Flatten(Module):
  """All axes but the first as one."""

  def forward(self, x):
    return x.reshape(x.shape[0], -1)


class LeakyReLU(Module):
  """x for x > 0, else negative_slope * x."""

  def __init__(self, negative_slope=0.01):
    self.negative_slope = negative_slope

  def forward(self, x):
    return _tenon.leaky_relu(x, self.negative_slope)


class Softmax(Module):
  """exp(x) / sum(exp(x)) along an axis. Not before CrossEntropyLoss, which takes logits."""

  def __init__(self, dim=-1):
    self.dim = dim

  def forward(self, x):
    return softmax(x, self.dim)


class GELU(Module):
  """x * Phi(x), or its approximation by tanh."""

  def __init__(self, approximate="none"):
    if approximate not in ("none", "tanh"):
      raise _tenon.InvalidArgumentError("GELU: approximate is 'none' or 'tanh', not %r" % (approximate,))
    self.approximate = approximate

  def forward(self, x):
    return _tenon.gelu_tanh(x) if self.approximate == "tanh" else _tenon.gelu(x)


def _activation(name, function):
  layer = type(name, (Module,), {"forward": lambda self, x: function(x), "__doc__": function.__doc__})
  layer.__module__ = __name__
  return layer


ReLU = _activation("ReLU", _tenon.relu)
SiLU = _activation("SiLU", _tenon.silu)
Mish = _activation("Mish", _tenon.mish)
ELU = _activation("ELU", _tenon.elu)
SELU = _activation("SELU", _tenon.selu)
Softplus = _activation("Softplus", _tenon.softplus)
Tanh = _activation("Tanh", _tenon.tanh)
Sigmoid = _activation("Sigmoid", _tenon.sigmoid)
LogSigmoid = _activation("LogSigmoid", _tenon.log_sigmoid)
Hardsigmoid = _activation("Hardsigmoid", _tenon.hard_sigmoid)
Hardswish = _activation("Hardswish", _tenon.hard_swish)


def _loss(name, function):
  layer = type(name, (Module,), {"forward": lambda self, x, target: function(x, target), "__doc__": function.__doc__})
  layer.__module__ = __name__
  return layer


CrossEntropyLoss = _loss("CrossEntropyLoss", cross_entropy)
MSELoss = _loss("MSELoss", mse_loss)
L1Loss = _loss("L1Loss", l1_loss)
BCEWithLogitsLoss = _loss("BCEWithLogitsLoss", binary_cross_entropy_with_logits)


class HuberLoss(Module):
  """Squared below delta, linear above."""

  def __init__(self, delta=1.0):
    self.delta = delta

  def forward(self, x, target):
    return huber_loss(x, target, self.delta)


class init:
  """Initialisers: random starting values, written into a tensor that exists, without recording."""

  @staticmethod
  def uniform_(tensor, a=0.0, b=1.0):
    return _tenon._uniform_(tensor, a, b)

  @staticmethod
  def normal_(tensor, mean=0.0, std=1.0):
    return _tenon._normal_(tensor, mean, std)

  @staticmethod
  def constant_(tensor, value):
    return _tenon._uniform_(tensor, value, value)

  @staticmethod
  def kaiming_uniform_(tensor, gain=2**0.5):
    return _tenon._kaiming_uniform_(tensor, gain)

  @staticmethod
  def kaiming_normal_(tensor, gain=2**0.5):
    return _tenon._kaiming_normal_(tensor, gain)

  @staticmethod
  def xavier_uniform_(tensor, gain=1.0):
    return _tenon._xavier_uniform_(tensor, gain)

  @staticmethod
  def xavier_normal_(tensor, gain=1.0):
    return _tenon._xavier_normal_(tensor, gain)
