#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sonde's counts against the kernel's: oracle.py ls|xz|sqlite3|python3|gcc

The program runs twice under kernel uprobes (equal counts show that it is deterministic) and once
under Sonde, with the same environment and without address randomization. The libraries are
private copies found through LD_LIBRARY_PATH, so that nobody else calls into them. Functions
that Sonde cannot place are left out, but ten of each library must remain. Exit status 77 where
the kernel or the permissions do not allow uprobes.
"""
import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys

BUILD, SONDE = os.environ["BUILD"], os.environ["SONDE"]
COUNTER = BUILD + "/tests/uprobe_count"
LIBC = """malloc free calloc realloc memcpy memmove memset strlen strcmp strchr memchr strcpy
getenv setlocale read write open close fopen fclose fwrite fputs opendir readdir qsort strtol
strdup mmap munmap sigaction""".split()
SQLITE = """sqlite3_initialize sqlite3_open_v2 sqlite3_prepare_v2 sqlite3_step sqlite3_finalize
sqlite3_malloc sqlite3_malloc64 sqlite3_free sqlite3_realloc64 sqlite3_column_text
sqlite3_column_count sqlite3_column_name sqlite3_column_type sqlite3_exec sqlite3_mprintf
sqlite3_vmprintf sqlite3_snprintf sqlite3_strnicmp sqlite3_config sqlite3_create_function
sqlite3_value_int sqlite3_value_text sqlite3_result_text sqlite3_close sqlite3_reset
sqlite3_stricmp sqlite3_errcode""".split()
LEAST = 10
ADDR_NO_RANDOMIZE = 0x0040000

SQL = """CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO t SELECT i, printf('row %d', i * 7919 % 3001), i / 7.0 FROM n;
CREATE INDEX tb ON t(b);
SELECT count(*), max(b), min(c), sum(a) FROM t;
SELECT b, upper(b), length(b) FROM t WHERE b LIKE 'row 1%' ORDER BY b LIMIT 50;
SELECT a % 10, count(*) FROM t GROUP BY 1;
"""
PYTHON = """import json
d = {str(i): [i, str(i) * 3] for i in range(500)}
print(len(json.dumps(d)), sorted(d)[7], sum(len(s) for s in json.loads(json.dumps(d))))
"""
CODE = """#include <stdio.h>
#include <string.h>
static int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }
int main(int argc, char **argv) { printf("%d %zu\\n", f(argc + 5), strlen(argv[0])); return 0; }
"""


def library(name):
    for folder in ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64"):
        if os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    print(f"no {name} here", file=sys.stderr)
    sys.exit(77)


def prepare(program):
    """Writes the inputs; returns the command and the libraries with the functions to count."""
    libs = {"libc.so.6": LIBC}
    if program == "ls":
        os.makedirs("tree/deep")
        for i in range(60):
            with open(f"tree/file{i}", "w", encoding="ascii") as f:
                f.write("x" * i)
        return "/bin/ls -laR --time-style=long-iso tree", libs
    if program == "xz":
        with open("data", "w", encoding="ascii") as f:
            f.write("".join(f"line {i * 7919 % 10007}\n" for i in range(20000)))
        return "xz -T1 -k -c data", libs
    if program == "sqlite3":
        with open("work.sql", "w", encoding="ascii") as f:
            f.write(SQL)
        libs["libsqlite3.so.0"] = SQLITE
        return "sqlite3 -init work.sql :memory: .quit", libs
    if program == "python3":
        with open("work.py", "w", encoding="ascii") as f:
            f.write(PYTHON)
        return "/usr/bin/python3 -S -E work.py", libs
    if program == "gcc":
        with open("work.c", "w", encoding="ascii") as f:
            f.write(CODE)
        return "gcc -O1 -save-temps -c work.c", libs
    sys.exit(__doc__)


def environment():
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.getcwd(), "LC_ALL": "C",
            "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": os.getcwd(),
            "LD_LIBRARY_PATH": os.getcwd() + "/lib", "SONDE": SONDE, "BUILD": BUILD}


def addresses(path, names):
    """Where the loader would send a caller of each name, as addresses within the library: asked
    of a process that uses the copy, so that IFUNC symbols give their implementation."""
    ask = ("import ctypes, sys\n"
           "lib = ctypes.CDLL(sys.argv[1])\n"
           "base = min(int(l.split('-')[0], 16) for l in open('/proc/self/maps')"
           " if l.split()[-1] == sys.argv[1])\n"
           "for name in sys.argv[2:]:\n"
           "    if hasattr(lib, name):\n"
           "        print(name, ctypes.cast(getattr(lib, name), ctypes.c_void_p).value - base)\n")
    out = subprocess.run(["/usr/bin/python3", "-c", ask, path, *names], env=environment(),
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in out.splitlines()}


def file_offset(path, vaddr):
    with open(path, "rb") as f:
        data = f.read()
    phoff, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    for i in range(count):
        kind, _, offset, start, _, length = struct.unpack_from("<IIQQQQ", data, phoff + i * size)
        if kind == 1 and start <= vaddr < start + length:
            return vaddr - start + offset
    sys.exit(f"{path}: {vaddr:#x} is in no segment")


def still():
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


def kernel_can(path, offset):
    """The kernel refuses to probe an instruction with a VEX or EVEX prefix, and counts nothing."""
    with open(path, "rb") as f:
        f.seek(offset)
        return f.read(1)[0] not in (0xC4, 0xC5, 0x62)


def placeable(path, names, command):
    def can(name):
        return subprocess.run([SONDE, "-q", "--dry-run", "-e", f"uprobe:{path}:{name} {{ @ = count(); }}",
                               "-c", command], env=environment(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0
    good = [name for name in names if can(name)]
    if len(good) < LEAST:
        sys.exit(f"{path}: only {len(good)} of {len(names)} functions can be placed: {good}")
    return good


def kernel_counts(specs, command):
    args = [COUNTER, "-o", "out/kernel", "-e", "out/errors"]
    for spec in specs:
        args += ["-p", spec]
    env = dict(environment())
    inner = ["/usr/bin/env", "LD_LIBRARY_PATH=" + env.pop("LD_LIBRARY_PATH"), *command.split()]
    run = subprocess.run([*args, "--", *inner], env=env, stdout=subprocess.PIPE, text=True,
                         preexec_fn=still, check=False)
    if run.returncode:
        sys.exit(run.returncode)
    lines = run.stdout.splitlines()
    if lines.pop() != "status 0":
        with open("out/errors", encoding="utf-8") as f:
            sys.exit(f"{command} failed under the kernel's probes:\n{f.read()}")
    return [int(line.split()[-1]) for line in lines]


def sonde_counts(probes, command):
    script = "".join(f"uprobe:{path}:{name} {{ @{name} = count(); }}\n" for path, name in probes)
    # The same kinds of files as in the kernel's run: python3 allocates differently for a pipe.
    with open("out/sonde", "wb") as out, open("out/errors", "wb") as err:
        run = subprocess.run([SONDE, "-q", "-f", "json", "-o", "out/maps", "-e", script, "-c", command],
                             env=environment(), preexec_fn=still, stdin=subprocess.DEVNULL,
                             stdout=out, stderr=err, check=False)
    if run.returncode:
        with open("out/errors", encoding="utf-8") as f:
            sys.exit(f"status {run.returncode} under Sonde:\n{f.read()}")
    with open("out/kernel", "rb") as f, open("out/sonde", "rb") as g:
        if f.read() != g.read():
            sys.exit("the output differs between the kernel's run and Sonde's")
    maps = {}
    with open("out/maps", encoding="utf-8") as f:
        for line in f:
            record = json.loads(line) if line.strip() else {}
            if record.get("type") == "map":
                maps.update(record["data"])
    return [maps.get("@" + name, 0) for _, name in probes]


def main():
    program = sys.argv[1] if len(sys.argv) == 2 else ""
    command, libs = prepare(program)
    os.mkdir("lib")
    os.mkdir("out")
    for soname in libs:
        shutil.copy(library(soname), "lib/" + soname)
    probes, specs = [], []
    for soname, names in libs.items():
        path = f"{os.getcwd()}/lib/{soname}"
        where = addresses(path, names)
        # One probe says quickly, before all else, whether the kernel lets us.
        kernel_counts([f"{path}:{file_offset(path, next(iter(where.values()))):#x}"], "/bin/true")
        for name in placeable(path, list(where), command):
            offset = file_offset(path, where[name])
            if kernel_can(path, offset):
                probes.append((path, name))
                specs.append(f"{path}:{offset:#x}")
    # Once for nothing, so that every later run finds the files that it leaves.
    subprocess.run(command.split(), env=environment(), stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    first, second = kernel_counts(specs, command), kernel_counts(specs, command)
    ours = sonde_counts(probes, command)
    called, wrong = 0, 0
    for (_, name), a, b, c in zip(probes, first, second, ours):
        called += a > 0
        if a != b or a != c:
            wrong += 1
            print(f"{name}: kernel {a} and {b}, Sonde {c}", file=sys.stderr)
    if wrong:
        sys.exit(1)
    if called < LEAST:
        sys.exit(f"only {called} functions were called at all")
    print(f"{program}: {len(probes)} functions, {called} called, all counts equal")


main()
