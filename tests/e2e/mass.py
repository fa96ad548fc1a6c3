#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Everything counted at once: mass.py sqlite3|python3|gcc

Every function of the libraries that can be probed is counted while a real program works. What
the program prints and its exit status must be the same as in a run without probes.
"""
import json
import os
import re
import subprocess
import sys

SONDE = os.environ["SONDE"]
SQL = """CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL, d BLOB);
CREATE TABLE log(m TEXT);
CREATE TRIGGER tt AFTER DELETE ON t BEGIN INSERT INTO log VALUES('gone ' || old.a); END;
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO t SELECT i, printf('row %05d', i * 7919 % 20011), i / 7.0, zeroblob(i % 50) FROM n;
COMMIT;
CREATE UNIQUE INDEX tb ON t(b);
CREATE VIEW v AS SELECT a, b, rank() OVER (ORDER BY c DESC) AS r FROM t;
SELECT count(*), max(b), min(c), sum(a), avg(length(d)) FROM t;
SELECT b, upper(b), hex(d), quote(c) FROM t WHERE b LIKE 'row 01%' ORDER BY b LIMIT 50;
SELECT x.a, y.a FROM t x JOIN t y ON x.b = y.b WHERE x.a % 977 = 0 ORDER BY 1;
SELECT * FROM v WHERE r <= 10;
DELETE FROM t WHERE a % 3 = 0;
UPDATE t SET b = b || '!' WHERE a % 5 = 0;
SELECT count(*), group_concat(m, ',') FROM (SELECT m FROM log LIMIT 20);
SELECT json_extract('{"a":[1,2,{"b":3}]}', '$.a[2].b'), json_group_array(a) FROM t WHERE a < 20;
SELECT date('2020-02-28', '+2 days'), strftime('%j', '2021-12-31'), abs(-5), round(2.567, 2);
SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s;
VACUUM;
PRAGMA integrity_check;
SELECT no_such_column FROM t;
EXPLAIN QUERY PLAN SELECT * FROM t WHERE b = 'x';
.schema
.dump log
"""
MODULES = """array base64 binascii bisect bytes collections configparser contextlib copy csv
deque dict difflib enumerate fnmatch fractions functools glob heapq html json list operator
optparse popen pprint quopri re reprlib set shelve shlex slice string struct textwrap tuple types
userdict zlib""".split()
CODE = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct node { struct node *next; int value; };
static struct node *push(struct node *head, int value)
{
	struct node *n = malloc(sizeof(*n));
	n->next = head;
	n->value = value;
	return n;
}
int main(int argc, char **argv)
{
	struct node *head = NULL;
	for (int i = 0; i < argc * 10; i++)
		head = push(head, i * (int)strlen(argv[0]));
	for (; head; head = head->next)
		printf("%d ", head->value);
	return 0;
}
"""


def write(name, text):
    with open(name, "w", encoding="utf-8") as f:
        f.write(text)


def read(name):
    with open(name, encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def environment():
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.getcwd(), "LC_ALL": "C.UTF-8",
            "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": os.getcwd()}


def python_modules():
    """Those of MODULES that are installed."""
    def there(name):
        find = f"import importlib.util as u, sys; sys.exit(not u.find_spec('test.test_{name}'))"
        return not subprocess.run(["/usr/bin/python3", "-c", find], check=False,
                                  stderr=subprocess.DEVNULL).returncode
    names = ["test.test_" + name for name in MODULES if there(name)]
    if len(names) < 20:
        print("needs python3's own tests (libpython3-testsuite)", file=sys.stderr)
        sys.exit(77)
    return names


def prepare(program):
    """Returns the patterns to count and the command, which a shell script holds."""
    libc = "uprobe:libc:*"
    if program == "sqlite3":
        write("work.sql", SQL)
        write("work.sh", "sqlite3 -batch work.db <work.sql; code=$?; sha256sum work.db; rm work.db; exit $code\n")
        return ["uprobe:libsqlite3:*", libc]
    if program == "python3":
        names = " ".join(python_modules())
        write("work.sh", f"exec /usr/bin/python3 -m unittest -v {names} 2>&1\n")
        return ["uprobe:/usr/bin/python3:*", libc]
    if program == "gcc":
        write("work.c", CODE)
        write("work.sh", "gcc -O2 -g -Wall -o work work.c && ./work a b c && ls work* && sha256sum work && exit 9\n")
        return [libc]
    sys.exit(__doc__)


def settle(text):
    """What may differ between any two runs: times, addresses, process ids in unittest's words."""
    text = re.sub(r"in [0-9.]+s$", "in TIMEs", text, flags=re.M)
    return re.sub(r"0x[0-9a-f]{6,}", "0xADDR", text)


def run(command, name):
    with open(name, "w", encoding="utf-8") as out:
        return subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL, stdout=out,
                              check=False).returncode


def called():
    for line in read("maps").splitlines():
        record = json.loads(line) if line.strip() else {}
        if record.get("type") == "map" and "@" in record["data"]:
            return len(record["data"]["@"])
    return 0


def main():
    program = sys.argv[1] if len(sys.argv) == 2 else ""
    patterns = prepare(program)
    bare = run(["/bin/sh", "work.sh"], "bare")
    probed = run([SONDE, "-q", "-f", "json", "-o", "maps", "-e",
                  ", ".join(patterns) + " { @[probe] = count(); }", "-c", "/bin/sh work.sh"], "probed")
    if bare != probed:
        print(read("probed")[-3000:], file=sys.stderr)
        sys.exit(f"status {bare} without probes, {probed} with")
    if settle(read("bare")) != settle(read("probed")):
        subprocess.run(["diff", "bare", "probed"], check=False, stdout=sys.stderr)
        sys.exit("the output differs")
    keys = called()
    if keys < 50:
        sys.exit(f"only {keys} functions were counted")
    if program == "python3":
        ran = re.search(r"^Ran ([0-9]+) tests", read("bare"), flags=re.M)
        if not ran or int(ran[1]) < 200:
            sys.exit("too few tests ran:\n" + read("bare")[-2000:])
        print(f"python3: {ran[1]} tests, results identical; {keys} functions called")
    else:
        print(f"{program}: output and status identical; {keys} functions called")


main()
