"""What our binaries promise: usage: objects_test.py [--expect_problem] FILE...

- an archive (.a) of the library has no static initialiser: what runs before main() runs in no order, costs
  every program that links us, and is dropped or not at the linker's whim;
- a plug-in (.so) exports the entry function and nothing else.
"""
import os
import subprocess
import sys


def run(*command):
  return subprocess.run(command, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout


def initialisers(archive):
  """Names of the functions that would run before main()."""
  # "archive(member.o):" comes before each member's symbols; gcc and clang name the functions so.
  return [line.split()[-1] for line in run("nm", archive).splitlines()
          if "_GLOBAL__sub_I_" in line or "__cxx_global_var_init" in line]


def check(path):
  if path.endswith(".so"):
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", path).splitlines() if line.split()}
    if exported != {"tenon_backend_entry_v0"}:
      return ["%s exports %s, should export tenon_backend_entry_v0 only" % (path, sorted(exported))]
    return []
  return ["%s has a static initialiser: %s" % (path, name) for name in initialisers(path)]


def main():
  files = [f for argument in sys.argv[1:] for f in argument.split() if f.endswith((".a", ".so"))]
  if not files:
    print("no files given")
    return 1
  problems = []
  for path in files:
    if not os.path.exists(path):
      problems.append(path + " does not exist")
    else:
      problems += check(path)
  for p in problems:
    print(p)
  print("%d files, %d problems" % (len(files), len(problems)))
  return 1 if bool(problems) != ("--expect_problem" in sys.argv) else 0


if __name__ == "__main__":
  sys.exit(main())
