#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A section's machine code: codegen.py TOP COMPILER...

Neither the compiler nor the header may weaken a section. In what each compiler makes of codegen.c:
the word's store comes before the loads of the section, and the store of leaving after them, on the
path that nearly always runs; and there is neither a locked instruction nor a fence (guarantee 3 of
<sonde/domain.h>). With "-s" the section's fast path is printed.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOCKED = re.compile(r"\block\b|\b[lms]fence\b|\bxchg\b.*\(|\bcpuid\b")


def code_of(top, compiler, flags, function):
    """The instructions of a function as (address, text)."""
    source = Path(top) / "tests/unit/sync/codegen.c"
    with tempfile.TemporaryDirectory() as tmp:
        obj = tmp + "/codegen.o"
        subprocess.run([compiler, "-std=gnu11", *flags, "-I", str(Path(top) / "include"), "-c",
                        str(source), "-o", obj], check=True)
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", obj], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
    body = text.split("<" + function + ">:\n", 1)[1].split("\n\n")[0]
    code = []
    for line in body.splitlines():
        m = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
        if m:
            code.append((int(m.group(1), 16), m.group(2).strip()))
    return code


def fast_path(code):
    """What runs when the thread has a record and is inside once: branches to a call are not taken."""
    at = {addr: i for i, (addr, _) in enumerate(code)}

    def calls(i):
        """Does control that goes on at i come to a call before it returns?"""
        for _, insn in code[i:]:
            if insn.startswith("call"):
                return True
            if insn.startswith("ret"):
                return False
            jump = re.match(r"jmp\s+([0-9a-f]+)", insn)
            if jump:
                return False if int(jump.group(1), 16) <= code[i][0] else calls(
                    at[int(jump.group(1), 16)])
            if insn.startswith("jmp"):
                return True  # a tail call
        return True

    path, i = [], 0
    while len(path) < 200:
        insn = code[i][1]
        path.append(insn)
        if insn.startswith("ret"):
            return path
        jump = re.match(r"j\w+\s+([0-9a-f]+)", insn)
        if not jump:
            i += 1
            continue
        target = at[int(jump.group(1), 16)]
        if insn.startswith("jmp") or calls(i + 1) and not calls(target):
            i = target
        else:
            i += 1
    raise ValueError("no return found")


def is_store(insn):
    """Writes memory: its last operand is memory, or it is an add to memory."""
    if not re.match(r"(mov|add|sub|inc|dec)[bwlq]?\s", insn):
        return False
    operands = insn.split(None, 1)[1]
    return operands.endswith(")") and (", " in operands or re.match(r"(inc|dec)", insn)
                                       or re.search(r"\),|,[^,(]*\(", operands) is not None)


def is_load(insn):
    """Reads a word through a pointer: not the thread's own (%fs), the stack's or a constant."""
    return re.match(r"(mov|cmp|add)q?\s+(%r\w+,)?(0x0)?\(%r(?!ip|sp)\w+(,%r\w+,8)?\)(,%r\w+)?$",
                    insn) is not None and not is_store(insn)


def judge(code, nloads):
    """What is wrong with it, or None. Of the section, the last loads but one, of the word."""
    for _, insn in code:
        if LOCKED.search(insn):
            return "a locked instruction or a fence: " + insn
    path = fast_path(code)
    stores = [i for i, insn in enumerate(path) if is_store(insn) and "(%rsp" not in insn]
    loads = [i for i, insn in enumerate(path) if is_load(insn)]
    if len(stores) != 2:
        return f"{len(stores)} stores on the fast path, 2 expected"
    inside = len([i for i in loads if stores[0] < i < stores[1]])
    if inside != nloads + 1:
        return f"{inside} loads between the stores, {nloads} and the word expected"
    return None


def main():
    args = [a for a in sys.argv[1:] if a != "-s"]
    bad = 0
    for compiler in args[1:]:
        if not shutil.which(compiler):
            print(f"skipped {compiler}: not installed")
            continue
        for flags in (["-O1"], ["-O2"], ["-O3"], ["-O2", "-fPIC"], ["-O3", "-march=native"]):
            for function, nloads in (("codegen_read", 2), ("codegen_again", 1)):
                code = code_of(args[0], compiler, flags, function)
                wrong = judge(code, nloads)
                print(f"{'FAILED' if wrong else 'ok'} {compiler} {' '.join(flags)} {function}"
                      + (": " + wrong if wrong else ""))
                if wrong or "-s" in sys.argv:
                    print("\n".join("    " + insn for insn in fast_path(code)))
                bad |= wrong is not None
    return bad


if __name__ == "__main__":
    sys.exit(main())
