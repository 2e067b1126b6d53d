"""The type stub says what the module has: the same names, the same parameters; and every public function has a docstring."""
import ast
import inspect
import os
import unittest

import tenon
from tenon import _tenon

STUB = os.path.join(os.path.dirname(tenon.__file__), "_tenon.pyi")
# Without a docstring of their own: their name says it all, or the class's does.
PLAIN = {"empty_like", "zeros_like", "ones_like", "full_like"}


def names_of(node):
  names = set()
  for n in node.body:
    if isinstance(n, (ast.FunctionDef, ast.ClassDef)):
      names.add(n.name)
    elif isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name):
      names.add(n.target.id)
    elif isinstance(n, ast.Assign):
      names.update(t.id for t in n.targets)
  return names


def public(names):
  return {n for n in names if not n.startswith("_")}


class StubTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    with open(STUB) as f:
      cls.tree = ast.parse(f.read())
    cls.tensor = next(n for n in cls.tree.body if isinstance(n, ast.ClassDef) and n.name == "Tensor")

  def test_names(self):
    self.assertEqual(public(names_of(self.tree)), public(vars(_tenon)))
    self.assertEqual(public(names_of(self.tensor)), public(vars(tenon.Tensor)))

  def test_results_are_known(self):
    for scope in (self.tree, self.tensor):
      for n in scope.body:
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("_"):
          self.assertIsNotNone(n.returns, n.name)
    returns = {n.name: ast.unparse(n.returns) for n in self.tree.body if isinstance(n, ast.FunctionDef) and n.returns}
    for name in ["tensor", "as_tensor", "from_numpy", "exp", "add", "sum", "matmul", "zeros", "where", "clip", "from_dlpack"]:
      self.assertEqual(returns[name].split(".")[-1], "Tensor", name)

  def test_the_rows_of_the_table_are_there(self):
    with_doc = [n for n in public(vars(_tenon)) if callable(getattr(_tenon, n)) and not inspect.isclass(getattr(_tenon, n))]
    for name in with_doc:
      if name not in PLAIN:
        self.assertTrue((getattr(_tenon, name).__doc__ or "").strip(), name)
    for name in ["exp", "gelu", "atan2", "logaddexp", "bitwise_left_shift"]:
      self.assertTrue(hasattr(tenon, name) and hasattr(tenon.Tensor, name) and hasattr(tenon.Tensor, name + "_"))


if __name__ == "__main__":
  unittest.main()
