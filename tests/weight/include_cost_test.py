"""What including a header costs a user: its preprocessed lines (taste.md, performance.md)."""
import os
import shutil
import subprocess
import sys
import tempfile

LIMITS = {"tenon/tensor/tensor.h": 40000, "tenon/tenon.h": 60000}

# The source tree itself, so that a header that nobody listed is seen too.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def compiler():
  for name in [os.environ.get("CXX", ""), "g++", "c++", "clang++"]:
    if name and shutil.which(name):
      return name
  return None


def make_include_tree(top):
  """top/tenon/<floor> -> core/<floor>, as the build's include prefix has it."""
  tenon = os.path.join(top, "tenon")
  os.mkdir(tenon)
  for floor in os.listdir(os.path.join(ROOT, "core")):
    os.symlink(os.path.join(ROOT, "core", floor), os.path.join(tenon, floor))
  os.symlink(os.path.join(ROOT, "interop"), os.path.join(tenon, "interop"))
  os.symlink(os.path.join(ROOT, "tenon.h"), os.path.join(tenon, "tenon.h"))


def main():
  cxx = compiler()
  if cxx is None:
    print("SKIPPED: no C++ compiler in PATH")
    return 0
  failed = 0
  with tempfile.TemporaryDirectory() as top:
    make_include_tree(top)
    for header, limit in LIMITS.items():
      source = os.path.join(top, "one.cc")
      with open(source, "w") as f:
        f.write('#include "%s"\n' % header)
      done = subprocess.run([cxx, "-std=c++20", "-E", "-P", "-I", top, source], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
      if done.returncode != 0:
        print("FAILED: %s\n%s" % (header, done.stderr.decode(errors="replace")))
        failed += 1
        continue
      lines = done.stdout.count(b"\n")
      print("%-24s %6d lines, at most %d" % (header, lines, limit))
      failed += lines >= limit
  return 1 if failed else 0


sys.exit(main())
