"""No source file of ours is longer than its budget: a file holds one concept (taste.md)."""
import os
import sys

LIMIT = 450
ENDINGS = (".h", ".hpp", ".c", ".cc", ".cu", ".cuh", ".py", ".bzl")
# Each with its reason.
EXCEPTIONS = {
    "core/abi/tenon_backend.h": "the ABI is one header, one frozen list",
    "core/device/plan_test.cc": "to be split",
}
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def main():
  long, seen = [], set()
  for directory, folders, files in os.walk(ROOT):
    folders[:] = [f for f in folders if not f.startswith((".", "bazel-")) and f not in ("third_party", "__pycache__")]
    for name in files:
      if not name.endswith(ENDINGS):
        continue
      path = os.path.join(directory, name)
      with open(path, errors="replace") as f:
        lines = sum(1 for _ in f)
      relative = os.path.relpath(path, ROOT)
      seen.add(relative)
      if lines >= LIMIT and relative not in EXCEPTIONS:
        long.append((lines, relative))
  for lines, path in sorted(long, reverse=True):
    print("FAILED: %s has %d lines; split it below %d" % (path, lines, LIMIT))
  gone = [p for p in EXCEPTIONS if p not in seen]
  for path in gone:
    print("FAILED: the exception %s is no file" % path)
  print("%d files" % len(seen))
  return 1 if long or gone or len(seen) < 50 else 0


sys.exit(main())
