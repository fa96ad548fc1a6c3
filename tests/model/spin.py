#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a Spin model: spin.py SOURCE-ROOT MODEL.pml

The model as it is must have no error; with each mutant that its head names, it must
have one. A line that the model quotes from the source must be there.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

CC = os.environ.get("CC", "cc")


def run(command, where):
    done = subprocess.run(command, cwd=where, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        sys.exit(f"spin.py: {' '.join(command)}: status {done.returncode}\n{done.stdout}")
    return done.stdout


def search(model, define):
    """What Spin finds: number of states, the first error or None."""
    with tempfile.TemporaryDirectory() as where:
        run(["spin", "-a", f"-D{define}", str(model)], where)
        # a mutant goes wrong early: compiling it well takes longer than running it
        run([CC, "-O1" if define == "REAL" else "-O0", "-w", "-DSAFETY", "-DCOLLAPSE",
             "-DMEMLIM=1500", "-o", "pan", "pan.c"], where)
        text = run(["./pan", "-n", "-m100000"], where)
    error = re.search(r"^pan:1: (.*) \(at depth", text, re.M)
    if not error and "not completed" in text:
        sys.exit(f"spin.py: {model.name}: not all of it was searched\n{text}")
    states = re.search(r"(\d+) states, stored", text)
    return states.group(1), error.group(1).strip() if error else None


def mutants(text):
    found = re.search(r"^ \* Mutants, by -D: (.*)$", text, re.M)
    return found.group(1).split() if found else []


def check_quotes(root, text):
    bad = 0
    for name, quote in re.findall(r"/\* (\w+\.c): (.*) \*/", text):
        source = (root / "src/sync" / name).read_text()
        if " ".join(quote.split()) not in " ".join(source.split()):
            print(f"FAILED: src/sync/{name} has not the line: {quote}")
            bad = 1
    return bad


def main():
    root, model = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    text = model.read_text()
    bad = check_quotes(root, text)
    states, error = search(model, "REAL")
    print(f"{model.name}: {'FAILED: ' + error if error else f'passed, {states} states'}")
    bad |= error is not None
    for name in mutants(text):
        _, error = search(model, name)
        print(f"mutant {name}: " + (f"caught by {model.name}, {error}" if error else "NOT CAUGHT"))
        bad |= error is None
    sys.exit(bad)


if __name__ == "__main__":
    main()
