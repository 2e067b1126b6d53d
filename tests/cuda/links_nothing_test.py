"""The CUDA plug-in exports its entry function and nothing else, and needs no library of CUDA to be loaded.

links_nothing_test.py PLUGIN
"""
import re
import subprocess
import sys


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main():
    plugin = sys.argv[1]
    exported = [line.split()[-1] for line in output("nm", "-D", "--defined-only", plugin).splitlines()]
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "--wide", "--dynamic", plugin))
    print("exports", exported, "and needs", needed)
    assert exported == ["tenon_backend_entry_v0"], exported
    foreign = [lib for lib in needed if re.match(r"lib(cu|nv)", lib)]
    assert not foreign, "the plug-in must load where CUDA is not installed; it needs " + ", ".join(foreign)
    # A null initialiser is gcc's own (frame_dummy); more than that pointer would be ours.
    size = re.search(r"INIT_ARRAYSZ\)\s+(\d+)", output("readelf", "--wide", "--dynamic", plugin))
    assert size is None or int(size.group(1)) <= 8, "a static initialiser: %s bytes of .init_array" % size.group(1)


main()
