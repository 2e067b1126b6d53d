"""Proves that what the documents show is compiled: a block after `<!-- listing: PATH -->` stands in that file word for
word (however the lines are broken), and one after `<!-- output: PATH.cc -->` is what that program prints."""

import glob
import re
import subprocess
import sys

BLOCK = re.compile(r"<!-- (listing|output): (\S+) -->\n```\w*\n(.*?)```\n", re.DOTALL)
MARK = re.compile(r"<!-- (listing|output)")


def words(text):
    return " ".join(text.split())


def main():
    wrong, seen = [], 0
    for document in ["README.md", *sorted(glob.glob("docs/*.md"))]:
        with open(document, encoding="utf-8") as f:
            text = f.read()
        blocks = BLOCK.findall(text)
        if len(blocks) != len(MARK.findall(text)):
            wrong.append(f"{document}: a mark is not followed by a block")
        for kind, path, block in blocks:
            seen += 1
            if kind == "listing":
                with open(path, encoding="utf-8") as f:
                    if words(block) not in words(f.read()):
                        wrong.append(f"{document}: {path} does not contain\n{block}")
            else:
                printed = subprocess.run(
                    ["./" + path.removesuffix(".cc")], capture_output=True, text=True, check=True
                ).stdout
                if block != printed:
                    wrong.append(f"{document}: {path} prints\n{printed}not\n{block}")
    if seen < 4:
        wrong.append(f"only {seen} blocks found: are the documents here?")
    print("\n".join(wrong) if wrong else f"{seen} blocks are as compiled")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
