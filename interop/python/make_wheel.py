"""Packs the built module into a wheel (PEP 427): ./dev wheel calls it.

    make_wheel.py --package DIR --license LICENSE --out out [PLUGIN.so ...]

The platform tag says what the binaries need: manylinux_2_N for the newest glibc symbol among them. Shared libraries beyond the C
runtime (the C++ runtime is in the extension) are packed beside the extension, which looks for them there (its RPATH), with their licences. The same inputs give the
same bytes.
"""
import argparse
import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

# What every system has: not packed.
SYSTEM = re.compile(r"^(linux-vdso|ld-linux.*|libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+)\.so")
# Where the core looks for plug-ins, from the extension's directory on (core/device/loader.h).
PLUGINS = "tenon/tenon/backends"
LIBRARIES = "tenon/.libs"


def run(*command):
  return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def needed_libraries(path):
  """(name, path) of the shared libraries that the file needs, directly or not, beyond the system's."""
  found = []
  for line in run("ldd", path).splitlines():
    words = line.split()
    if not words or SYSTEM.match(os.path.basename(words[0])):
      continue
    if len(words) < 3 or words[1] != "=>" or words[2] == "not":
      raise SystemExit("make_wheel: %s needs %s, which is not there" % (path, words[0]))
    found.append((words[0], os.path.realpath(words[2])))
  return found


def glibc_version(paths):
  """The newest minor version of glibc whose symbols the files use."""
  newest = 17  # older than any that we are built on
  for path in paths:
    for minor in re.findall(r"Name: GLIBC_2\.(\d+)", run("readelf", "-V", "-W", path)):
      newest = max(newest, int(minor))
  return newest


def license_of(path):
  """The text of the Debian package's copyright file that brought a library, or None."""
  for candidate in (path, path.replace("/usr/lib/", "/lib/"), "/usr" + path):
    done = subprocess.run(["dpkg", "-S", candidate], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode == 0:
      package = done.stdout.decode().split(":")[0]
      copyright_file = "/usr/share/doc/%s/copyright" % package
      if os.path.exists(copyright_file):
        with open(copyright_file, "rb") as f:
          return package, f.read()
  return None


def files_of(package):
  """{name in the wheel: path} of the package's files."""
  files = {}
  for directory, folders, names in os.walk(package, followlinks=True):
    folders[:] = sorted(f for f in folders if f != "__pycache__")
    for name in sorted(names):
      path = os.path.join(directory, name)
      files[os.path.relpath(path, package)] = path
  return files


def stripped(path, directory):
  copy = os.path.join(directory, "%d-%s" % (len(os.listdir(directory)), os.path.basename(path)))
  shutil.copyfile(path, copy)
  subprocess.run(["strip", "--strip-unneeded", copy], check=True)
  return copy


def metadata(version):
  return """Metadata-Version: 2.1
Name: tenon
Version: %s
Summary: Tensors with gradients on devices that plug in
License: Apache-2.0
License-File: LICENSE
Requires-Python: >=%d.%d
Requires-Dist: numpy>=1.24
Provides-Extra: bfloat16
Requires-Dist: ml_dtypes; extra == "bfloat16"
""" % ((version,) + sys.version_info[:2])


def write_wheel(path, contents, info):
  """A zip archive with RECORD, the list of all files and their hashes, last."""
  record = []
  with zipfile.ZipFile(path + ".tmp", "w", zipfile.ZIP_DEFLATED) as archive:

    def add(name, data, mode=0o644):
      entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
      entry.compress_type = zipfile.ZIP_DEFLATED
      entry.external_attr = (0o100000 | mode) << 16
      archive.writestr(entry, data)

    for name, data in sorted(contents.items()):
      add(name, data, 0o755 if ".so" in os.path.basename(name) else 0o644)
      digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
      record.append("%s,sha256=%s,%d" % (name, digest, len(data)))
    record.append(info + "/RECORD,,")
    add(info + "/RECORD", "\n".join(record) + "\n")
  os.replace(path + ".tmp", path)


def main():
  parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
  parser.add_argument("--package", required=True)
  parser.add_argument("--license", required=True)
  parser.add_argument("--out", required=True)
  parser.add_argument("plugins", nargs="*")
  options = parser.parse_args()

  files = files_of(options.package)
  for plugin in options.plugins:
    files["%s/%s" % (PLUGINS, os.path.basename(plugin))] = plugin
  licenses = {}
  binaries = [p for n, p in files.items() if n.endswith(".so")]
  for binary in list(binaries):
    for name, path in needed_libraries(binary):
      if LIBRARIES + "/" + name in files:
        continue
      files[LIBRARIES + "/" + name] = path
      binaries.append(path)
      text = license_of(path)
      if text is None:
        raise SystemExit("make_wheel: no licence found for %s, which would be packed" % path)
      licenses[text[0]] = text[1]

  with open(files["tenon/_version.py"]) as f:
    version = re.search(r'"([^"]+)"', f.read()).group(1)
  python = "cp%d%d" % sys.version_info[:2]
  abi = python + ("t" if sysconfig.get_config_var("Py_GIL_DISABLED") else "")
  tag = "%s-%s-manylinux_2_%d_%s" % (python, abi, glibc_version(binaries), platform.machine())
  info = "tenon-%s.dist-info" % version

  contents = {}
  with tempfile.TemporaryDirectory() as directory:
    for name, path in files.items():
      with open(stripped(path, directory) if path in binaries else path, "rb") as f:
        contents[name] = f.read()
  with open(options.license, "rb") as f:
    contents[info + "/LICENSE"] = f.read()
  for package, text in licenses.items():
    contents["%s/licenses/%s" % (info, package)] = text
  contents[info + "/METADATA"] = metadata(version).encode()
  contents[info + "/WHEEL"] = ("Wheel-Version: 1.0\nGenerator: tenon\nRoot-Is-Purelib: false\nTag: %s\n" % tag).encode()

  path = os.path.join(options.out, "tenon-%s-%s.whl" % (version, tag))
  write_wheel(path, contents, info)
  print("%s (%.1f MB)" % (path, os.path.getsize(path) / 1e6))


if __name__ == "__main__":
  main()
