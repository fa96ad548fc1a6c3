#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""End-to-end tests: runs the records of *.rec files and compares what is printed.

A record is a block of lines, records are separated by empty lines, '#' starts a comment line:

    NAME word             the test's name (FILE/word in reports)
    RUN shell line        several RUN lines make one script; run by sh in an empty directory
    EXPECT text           one line of standard output, exactly
    EXPECT~ regex         one line that the regex matches as a whole
    EXPECT* glob          one line that the shell pattern matches
    EXPECT...             any number of lines
    STDERR text           standard error has such a line (in this order; STDERR~, STDERR* too)
    NOSTDERR regex        no line of standard error contains this
    STATUS 0              exit status, or a signal's name; default 0
    TIMEOUT 20            seconds, default 30
    REQUIRES root ...     root, notroot, or a program's name; skipped where that is missing

Empty lines of standard output count for nothing. A script that exits 77 is skipped, with its
last line on standard error as the reason. The script sees SONDE (the tool), V (the directory
of victims), E2E (this directory), BUILD and the C locale.

    run.py [--build DIR] [--list] [--rebase] [-v] [PATTERN...]

--rebase writes what was printed into records whose EXPECT lines are all literal.
"""
import argparse
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MATCHERS = {
    "": lambda want, got: want == got,
    "~": lambda want, got: re.fullmatch(want, got) is not None,
    "*": lambda want, got: fnmatch.fnmatchcase(got, want),
}
SKIP = 77


class Record:
    def __init__(self, path, line):
        self.path, self.line = path, line
        self.name, self.run, self.expect, self.stderr, self.nostderr = None, [], [], [], []
        self.status, self.timeout, self.requires = "0", 30, []

    def full_name(self):
        return os.path.splitext(os.path.basename(self.path))[0] + "/" + self.name

    def add(self, key, rest):
        if key == "NAME":
            self.name = rest
        elif key == "RUN":
            self.run.append(rest)
        elif key == "EXPECT...":
            self.expect.append(("...", ""))
        elif key in ("EXPECT", "EXPECT~", "EXPECT*"):
            self.expect.append((key[6:], rest))
        elif key in ("STDERR", "STDERR~", "STDERR*"):
            self.stderr.append((key[6:], rest))
        elif key == "NOSTDERR":
            self.nostderr.append(rest)
        elif key == "STATUS":
            self.status = rest
        elif key == "TIMEOUT":
            self.timeout = float(rest)
        elif key == "REQUIRES":
            self.requires += rest.split()
        else:
            return False
        return True


def parse(path):
    records, rec = [], None
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line.startswith("#"):
                continue
            if not line.strip():
                rec = None
                continue
            if rec is None:
                rec = Record(path, number)
                records.append(rec)
            key, _, rest = line.partition(" ")
            if not rec.add(key, rest):
                sys.exit(f"{path}:{number}: unknown key {key}")
    for rec in records:
        if not rec.name or not rec.run:
            sys.exit(f"{path}:{rec.line}: a record needs NAME and RUN")
    return records


def missing(requires):
    for need in requires:
        if need == "root" and os.geteuid() != 0:
            return "needs root"
        if need == "notroot" and os.geteuid() == 0:
            return "means nothing as root"
        if need not in ("root", "notroot") and not shutil.which(need):
            return f"needs {need}"
    return None


def match_lines(expect, got):
    """The greedy walk that '...' needs is tiny: recursion over the expectations."""
    if not expect:
        return not got
    kind, want = expect[0]
    if kind == "...":
        return any(match_lines(expect[1:], got[i:]) for i in range(len(got) + 1))
    return bool(got) and MATCHERS[kind](want, got[0]) and match_lines(expect[1:], got[1:])


def status_name(code):
    return signal.Signals(-code).name if code < 0 else str(code)


def complaints(rec, code, out, err):
    found = []
    lines = [line for line in out.splitlines() if line.strip()]
    if status_name(code) != rec.status:
        found.append(f"status {status_name(code)}, expected {rec.status}")
    if not match_lines(rec.expect, lines):
        found.append("standard output differs; expected:")
        found += [f"  {kind or '='} {want}" for kind, want in rec.expect] or ["  (nothing)"]
    rest = iter(err.splitlines())
    for kind, want in rec.stderr:
        if not any(MATCHERS[kind](want, line) for line in rest):
            found.append(f"standard error lacks: {kind or '='} {want}")
    for want in rec.nostderr:
        if re.search(want, err):
            found.append(f"standard error has: {want}")
    return found


def execute(rec, env):
    """Runs one record; returns (exit code or None on timeout, stdout, stderr)."""
    with tempfile.TemporaryDirectory(prefix="sonde-e2e-") as cwd:
        proc = subprocess.Popen(["sh", "-c", "\n".join(rec.run)], cwd=cwd, env=env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, err = proc.communicate(timeout=rec.timeout)
            code = proc.returncode
        except subprocess.TimeoutExpired:
            os.killpg(proc.pid, signal.SIGKILL)
            out, err = proc.communicate()
            code = None
        try:  # what the script left behind
            os.killpg(proc.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return code, out.decode(errors="replace"), err.decode(errors="replace")


def rebase(rec, out):
    if any(kind for kind, _ in rec.expect):
        print(f"  {rec.full_name()}: has patterns, left alone")
        return
    with open(rec.path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    end = rec.line - 1
    while end < len(lines) and lines[end].strip():
        end += 1
    block = [line for line in lines[rec.line - 1:end] if not line.startswith("EXPECT ")]
    at = max(i for i, line in enumerate(block) if line.startswith("RUN ")) + 1
    block[at:at] = ["EXPECT " + line for line in out.splitlines() if line.strip()]
    with open(rec.path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines[:rec.line - 1] + block + lines[end:]))
    print(f"  {rec.full_name()}: rebased")


def environment(build):
    env = {k: os.environ[k] for k in ("PATH", "HOME", "USER", "TMPDIR") if k in os.environ}
    env.update(SONDE=os.path.join(build, "sonde"), V=os.path.join(build, "tests/victims"),
               BUILD=build, E2E=HERE, LC_ALL="C", PYTHONDONTWRITEBYTECODE="1")
    return env


def test(rec, env, args):
    """'passed', 'failed' or 'skipped'."""
    name, began = rec.full_name(), time.monotonic()
    why = missing(rec.requires)
    if why:
        print(f"skipped {name}: {why}", flush=True)
        return "skipped"
    code, out, err = execute(rec, env)
    if code == SKIP:
        print(f"skipped {name}: {(err.strip().splitlines() or ['?'])[-1]}", flush=True)
        return "skipped"
    found = [f"no end after {rec.timeout:g} s"] if code is None else complaints(rec, code, out, err)
    if not found:
        if args.verbose:
            print(f"passed {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return "passed"
    print(f"FAILED {name} ({os.path.relpath(rec.path)}:{rec.line})")
    for line in rec.run:
        print("  $ " + line)
    for line in found:
        print("  " + line)
    for title, text in (("stdout", out), ("stderr", err)):
        for line in text.splitlines()[-60:]:
            print(f"  {title}| {line}")
    sys.stdout.flush()
    if args.rebase and code is not None:
        rebase(rec, out)
    return "failed"


def main():
    parser = argparse.ArgumentParser(description="end-to-end tests of Sonde")
    parser.add_argument("--build", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rebase", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("pattern", nargs="*", help="names to run, such as flags/* or *fork*")
    args = parser.parse_args()
    files = sorted(f for f in os.listdir(HERE) if f.endswith(".rec"))
    records = [rec for f in files for rec in parse(os.path.join(HERE, f))]
    records = [rec for rec in records if not args.pattern or
               any(fnmatch.fnmatchcase(rec.full_name(), p) for p in args.pattern)]
    if args.list:
        print("\n".join(rec.full_name() for rec in records))
        return 0
    if args.rebase:  # from the last to the first, so that line numbers stay true
        records.reverse()
    env = environment(os.path.abspath(args.build))
    results = [test(rec, env, args) for rec in records]
    count = {word: results.count(word) for word in ("passed", "failed", "skipped")}
    print("e2e: {passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
