"""No #include goes up a floor (decisions.md, "Floors").

By text over every source file of core/, interop/, backends/ and tools/, whether a BUILD file lists it or not;
package visibility proves the same for dependencies. Tests, benchmarks and fuzz targets may look up: they are no
part of the library. Runs itself first on a small tree with one violation of every kind.
"""
import os
import re
import sys
import tempfile

CORE = ["abi", "base", "shape", "map", "device", "tensor", "ops", "autograd", "nn"]  # low to high
SOURCES = (".h", ".hpp", ".c", ".cc", ".cu", ".cuh", ".def", ".inc")
NOT_LIBRARY = re.compile(r"_(test|benchmark|fuzz|testing)\.[a-z]+$|/testdata/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)

# All that core/abi's .h and .c files may take: the header is read by any C99 compiler, the kit links nothing but
# libc and libm. (A .hpp is the C++ face of the kit.)
LIBC = {
    "assert.h", "errno.h", "fenv.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h",
}


def allowed_floors(path):
  """What a library file at `path` may include of ours, or None where anything goes."""
  top, _, rest = path.partition("/")
  name = rest.split("/")[0]
  if top == "core":
    if name not in CORE:
      return set()
    return set(CORE[:CORE.index(name) + 1])
  if top == "interop" and name == "python":
    return None  # the module binds everything
  if top == "interop":
    return set(CORE[:CORE.index("ops") + 1]) | {"interop"}
  if top == "backends":
    return {"abi", "backends/" + name, "backends/codegen"}
  return None  # tools


def included_floor(name):
  """The floor that an include names, or None for the standard library and third parties."""
  parts = name.split("/")
  if parts[0] in ("tenon", "core") and len(parts) > 1:
    if parts[0] == "tenon" and parts[1] == "backends":
      return "/".join(parts[1:3])
    return parts[1]
  if parts[0] == "backends":
    return "/".join(parts[:2])
  if parts[0] in ("interop", "tools", "tests", "python"):
    return parts[0]
  return None


def check_file(root, path):
  found = []
  with open(os.path.join(root, path), encoding="utf-8") as f:
    text = f.read()
  allowed = allowed_floors(path)
  if allowed is None or NOT_LIBRARY.search(path):
    return found
  for match in INCLUDE.finditer(text):
    bracket, name = match.groups()
    line = text.count("\n", 0, match.start()) + 2 if text[match.start()] == "\n" else text.count(
        "\n", 0, match.start()) + 1
    floor = included_floor(name)
    where = "%s:%d: includes %s" % (path, line, name)
    if floor is not None and floor not in allowed:
      found.append("%s, but may use only: %s" % (where, ", ".join(sorted(allowed))))
    elif name.startswith("core/") and os.path.dirname(name) != os.path.dirname(path):
      found.append("%s; another package's header is \"tenon/...\"" % where)
    elif path.startswith("core/abi/") and path.endswith((".h", ".c")) and bracket == "<" and name not in LIBC:
      found.append("%s, but core/abi may use the C library only" % where)
  return found


def check_tree(root):
  violations, files = [], 0
  for top in ("core", "interop", "backends", "tools"):
    for directory, _, names in sorted(os.walk(os.path.join(root, top))):
      for name in sorted(names):
        if name.endswith(SOURCES):
          files += 1
          violations += check_file(root, os.path.relpath(os.path.join(directory, name), root))
  return violations, files


BAD_TREE = {
    # path: (text, whether it is a violation)
    "core/map/up.h": ('#include "tenon/tensor/tensor.h"\n', True),
    "core/map/down.h": ('#include "tenon/shape/layout.h"\n#include <vector>\n#include "absl/types/span.h"\n', False),
    "core/map/path.cc": ('#include "core/base/error.h"\n', True),
    "core/map/up_test.cc": ('#include "tenon/tensor/tensor.h"\n', False),
    "core/abi/kit.c": ("#include <stdint.h>\n#include <string.h>\n", False),
    "core/abi/kit.h": ("#include <vector>\n", True),
    "core/base/up.cc": ('# include "tenon/map/program.h"\n', True),
    "core/ops/side.cc": ('#include "tenon/interop/npy.h"\n', True),
    "core/misc/unknown.h": ('#include "tenon/base/error.h"\n', True),
    "interop/npy.cc": ('#include "tenon/ops/ops.h"\n#include <zip.h>\n', False),
    "interop/python/nn.cc": ('#include "tenon/nn/linear.h"\n', False),
    "interop/graph.cc": ('#include "tenon/autograd/engine.h"\n', True),
    "backends/cpu/pool.cc": ('#include "tenon/backends/cpu/pool.h"\n#include "hwy/highway.h"\n', False),
    "backends/cpu/core.cc": ('#include "tenon/base/error.h"\n', True),
    "backends/cuda/other.cu": ('#include "tenon/backends/cpu/pool.h"\n', True),
    "tools/tour.cc": ('#include "tenon/nn/linear.h"\n', False),
}


def self_check():
  with tempfile.TemporaryDirectory() as root:
    for path, (text, _) in BAD_TREE.items():
      full = os.path.join(root, path)
      os.makedirs(os.path.dirname(full), exist_ok=True)
      with open(full, "w", encoding="utf-8") as f:
        f.write(text)
    violations, _ = check_tree(root)
  reported = {v.split(":")[0] for v in violations}
  expected = {path for path, (_, bad) in BAD_TREE.items() if bad}
  if reported != expected or len(violations) != len(expected):
    print("the check itself is wrong: missed %s, wrongly reported %s" %
          (sorted(expected - reported), sorted(reported - expected)))
    return False
  return True


def main():
  if not self_check():
    return 1
  root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
  violations, files = check_tree(root)
  for v in violations:
    print(v)
  print("%d files, %d includes that go up a floor" % (files, len(violations)))
  return 1 if violations or files == 0 else 0


if __name__ == "__main__":
  sys.exit(main())
