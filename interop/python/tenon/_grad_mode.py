"""no_grad and enable_grad: as a context (with tenon.no_grad():) and as a decorator (@tenon.no_grad())."""
import functools

from ._tenon import _set_grad_enabled

_GENERATOR = 0x20  # inspect.CO_GENERATOR; importing inspect would take a third of the whole import


class set_grad_enabled:
  """Within it, operations of this thread record a graph or do not. May be nested and used again."""

  def __init__(self, mode):
    self._mode = bool(mode)
    self._before = []

  def __enter__(self):
    self._before.append(_set_grad_enabled(self._mode))
    return self

  def __exit__(self, *exception):
    _set_grad_enabled(self._before.pop())

  def __call__(self, function):
    mode = self._mode
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & _GENERATOR:
      # The mode holds while the generator runs, not while its caller does.
      @functools.wraps(function)
      def generator(*args, **kwargs):
        inner = function(*args, **kwargs)
        sent = None
        while True:
          with set_grad_enabled(mode):
            try:
              value = inner.send(sent)
            except StopIteration as stop:
              return stop.value
          sent = yield value

      return generator

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
      with set_grad_enabled(mode):
        return function(*args, **kwargs)

    return wrapper


class no_grad(set_grad_enabled):
  """Operations within record no graph."""

  def __new__(cls, function=None):
    self = super().__new__(cls)
    if function is None:
      return self
    set_grad_enabled.__init__(self, False)  # @tenon.no_grad without parentheses
    return self(function)

  def __init__(self):
    super().__init__(False)


class enable_grad(set_grad_enabled):
  """Operations within record a graph, also inside no_grad."""

  def __new__(cls, function=None):
    self = super().__new__(cls)
    if function is None:
      return self
    set_grad_enabled.__init__(self, True)
    return self(function)

  def __init__(self):
    super().__init__(True)
