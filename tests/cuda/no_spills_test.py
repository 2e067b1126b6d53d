"""The kernels compiled ahead of time need no local memory for registers that did not fit.

Reads what ptxas reported when they were compiled: no_spills_test.py FILE...; the logs among the files.
A stack frame is allowed: sin, cos and tan of large arguments index a small array.
"""

import re
import sys

SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'")


def main(paths):
    logs = [p for p in paths if p.endswith(".ptxas.txt")]
    kernels, bad, name = 0, [], ""
    for path in logs:
        with open(path, encoding="utf-8") as log:
            for line in log:
                entry = ENTRY.search(line)
                if entry:
                    name = "%s for sm_%s" % entry.groups()
                    kernels += 1
                spills = SPILLS.search(line)
                if spills and (spills.group(2) != "0" or spills.group(3) != "0"):
                    bad.append("%s: %s" % (name, spills.group(0)))
    for line in bad:
        print(line)
    print("%d kernels in %d logs, %d with spills" % (kernels, len(logs), len(bad)))
    # Half a thousand pairs of opcode and dtype, each contiguous and strided.
    if not logs or kernels < 1000:
        print("fewer kernels than there are: do the logs come from a build for a real device (sm_NN)?")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
