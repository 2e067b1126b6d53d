"""Makes a type stub mean in every place what it meant where it was written.

  python3 qualify_stub.py STUB

nanobind's stubgen writes `bool` for Python's bool, but to a type checker the name is what the scope has by it, and this module has
a dtype called bool, a method Tensor.float and a property Tensor.dtype. So within annotations and bases a hidden name of a builtin
becomes builtins.bool, and a class of the module that a member hides gets a second name: _dtype.
"""
import ast
import builtins
import sys


def names_of(body):
  """What a module's or class's statements define."""
  names = set()
  for node in body:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
      names.add(node.name)
    elif isinstance(node, ast.AnnAssign):
      names.add(node.target.id)
    elif isinstance(node, ast.Assign):
      names.update(t.id for t in node.targets)
  return names


def types_in(function):
  a = function.args
  every = a.posonlyargs + a.args + a.kwonlyargs + [x for x in (a.vararg, a.kwarg) if x]
  return [x.annotation for x in every if x.annotation] + ([function.returns] if function.returns else [])


def qualify(text):
  module = ast.parse(text)
  own, classes = names_of(module.body), {n.name for n in module.body if isinstance(n, ast.ClassDef)}
  edits, second_names = [], set()

  def look(types, hidden):
    for name in (n for t in types for n in ast.walk(t) if isinstance(n, ast.Name)):
      if name.id in hidden & classes:
        second_names.add(name.id)
        edits.append((name, "_" + name.id))
      elif name.id in hidden | (own - classes) and hasattr(builtins, name.id):
        edits.append((name, "builtins." + name.id))

  def visit(body, hidden):
    for node in body:
      if isinstance(node, ast.FunctionDef):
        look(types_in(node), hidden)
      elif isinstance(node, ast.AnnAssign):
        look([node.annotation], hidden)
      elif isinstance(node, ast.ClassDef):
        # A base of the class's own name is the builtin.
        edits.extend((b, "builtins." + b.id) for b in node.bases if isinstance(b, ast.Name) and b.id == node.name)
        visit(node.body, names_of(node.body))

  visit(module.body, set())
  lines = text.split("\n")
  for name, new in sorted(edits, key=lambda e: (e[0].lineno, e[0].col_offset), reverse=True):
    line = lines[name.lineno - 1]  # the stub is ASCII: columns in bytes are columns
    lines[name.lineno - 1] = line[:name.col_offset] + new + line[name.end_col_offset:]
  aliases = ["_%s = %s" % (n, n) for n in sorted(second_names)]
  return "\n".join(["import builtins"] + lines + aliases) + "\n"


def main():
  with open(sys.argv[1], encoding="utf-8") as f:
    text = f.read()
  with open(sys.argv[1], "w", encoding="utf-8") as f:
    f.write(qualify(text))


if __name__ == "__main__":
  main()
