#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Copies for the models: adapt.py SOURCE-ROOT RELACY-DIR OUT-DIR

Writes into OUT-DIR the two headers that are modelled, with Relacy's type for a word and each mutant's
line switchable; mutants.h, the table of mutants; and Relacy with C++20's release sequences. Each line
that is to be changed must be there, once: a list that no longer fits the source is an error.
"""

import re
import shutil
import sys
from pathlib import Path

READER = "include/sonde/reader.h"
GRACE = "src/sync/grace.h"
WAIT = "src/sync/wait.c"

# file, line's end or a part of it that names the line, text in it, replacement
ADAPT = [
    (READER, "typedef uint64_t sonde_word;", "uint64_t", "rl::atomic<uint64_t>"),
    (READER, "#define SONDE_DOMAINS_MAX ", "56", "2"),
    (READER, "extern __thread struct sonde_reader *sonde_reader_self",
     'extern __thread struct sonde_reader *sonde_reader_self '
     '__attribute__((tls_model("initial-exec")));', ""),
]

# C++20 took away from the release sequence the later stores of the same thread. Relacy is older;
# a model must not lean on them.
RELACY = ("thread.hpp", "(rmw || (index_ == prev.thread_id_))",
          "(rmw || (index_ == prev.thread_id_))", "rmw")

NUMBER = "fetch_add_acq_rel(numbers, (uint64_t)1) + 1"
COOKIE = "fetch_add_acq_rel(numbers, (uint64_t)0) + 1"
ENTER = "__atomic_store_n(word, v + SONDE_READER_ENTER, __ATOMIC_RELEASE)"
ENTER_SLOW = "store_release(word, load_relaxed(word) + SONDE_READER_ENTER)"
LEAVE = "__atomic_store_n(word, v + SONDE_READER_LEAVE, __ATOMIC_RELEASE)"
LEAVE_SLOW = "store_release(word, depth == 1 ? v + SONDE_READER_LEAVE : v - 1)"
LOOK = "return v & SONDE_READER_DEPTH ? v : 0;"
LEFT = "(v ^ seen) >> GRACE_COUNT_SHIFT"
DONE = "cas_acq_rel(done, &v, n)"
LOCK = "!cas_acq_rel(lock, &none, self)"
UNLOCK = "store_release(lock, (uint64_t)0)"


def weaker(text, order, to="relaxed"):
    """The text with another order in a name: cas_acq_rel -> cas_relaxed."""
    return text.replace("_" + order + "(", "_" + to + "(")


def relaxed(text):
    return text.replace("__ATOMIC_RELEASE", "__ATOMIC_RELAXED")


# name, what is done, file, part of the line ("function(): part" where it stands in several
# functions), text in it, replacement, models that may catch it
MUTANTS = [
    ("TC", "cookie: acq_rel -> relaxed", GRACE, COOKIE, COOKIE, weaker(COOKIE, "acq_rel"),
     "pollers mixed"),
    ("TC_ACQ", "cookie: acq_rel -> acquire", GRACE, COOKIE, COOKIE,
     weaker(COOKIE, "acq_rel", "acquire"), "pollers mixed"),
    ("TC_LOW", "cookie: that of a grace period that has begun", GRACE, COOKIE, COOKIE,
     COOKIE.replace("+ 1", "+ 0"), "pollers"),
    ("B1", "word at entering: release -> relaxed", READER, "/* B1 */", ENTER, relaxed(ENTER),
     "writers crowd"),
    ("B1_NOT", "word at entering: not changed", READER, "/* B1 */", ENTER,
     ENTER.replace("v + SONDE_READER_ENTER", "v"), "writers"),
    ("B1_SLOW", "word at entering, slow path: release -> relaxed", GRACE, ENTER_SLOW, ENTER_SLOW,
     weaker(ENTER_SLOW, "release"), "fences pollfences"),
    ("B1_FENCE", "fence mode: the reader's fence removed", GRACE, "fence_seq_cst(word);",
     "fence_seq_cst(word)", "(void)0", "fences"),
    ("C1", "word at leaving: release -> relaxed", READER, "/* C1 */", LEAVE, relaxed(LEAVE),
     "writers"),
    ("C1_SAME", "word at leaving: not counted", READER, "/* C1 */", LEAVE,
     LEAVE.replace("+ SONDE_READER_LEAVE", "- 1"), "independent"),
    ("C1_SLOW", "word at leaving, slow path: release -> relaxed", GRACE, LEAVE_SLOW, LEAVE_SLOW,
     weaker(LEAVE_SLOW, "release"), "fences"),
    ("C1_SLOW_SAME", "word at leaving, slow path: not counted", GRACE, LEAVE_SLOW, LEAVE_SLOW,
     "store_release(word, v - 1)", "independentfences"),
    ("C1_SLOW_NEST", "word at leaving, slow path: counted at any depth", GRACE, LEAVE_SLOW,
     LEAVE_SLOW, "store_release(word, v + SONDE_READER_LEAVE)", "nested"),
    ("C2_LOOK", "word looked at: acquire -> relaxed", GRACE, "grace_look(): /* C2 */",
     "load_acquire(word)", "load_relaxed(word)", "writers"),
    ("C2_LEFT", "word asked about: acquire -> relaxed", GRACE, "grace_left(): /* C2 */",
     "load_acquire(word)", "load_relaxed(word)", "writers"),
    ("W_NOT", "nobody is met inside", GRACE, LOOK, LOOK[7:-1], "0", "writers"),
    ("W_MORE", "the next section is waited for as well", GRACE, LEFT, LEFT, "false",
     "independent"),
    ("W_LESS", "the inner section is waited for alone", GRACE, LEFT, LEFT, "v != seen", "nested"),
    ("E1", "done: CAS acq_rel -> relaxed", GRACE, "/* E1 */", DONE, weaker(DONE, "acq_rel"),
     "pollers mixed"),
    ("E1_ACQ", "done: CAS acq_rel -> acquire", GRACE, "/* E1 */", DONE,
     weaker(DONE, "acq_rel", "acquire"), "pollers mixed"),
    ("E2", "done: acquire -> relaxed", GRACE, "/* E2 */", "load_acquire(done)",
     "load_relaxed(done)", "pollers mixed"),
    ("F_LOCK", "poll lock: CAS acq_rel -> relaxed", GRACE, LOCK, LOCK, weaker(LOCK, "acq_rel"),
     "pollers"),
    ("F_REL", "poll lock: CAS acq_rel -> release", GRACE, LOCK, LOCK,
     weaker(LOCK, "acq_rel", "release"), "pollers"),
    ("F_FREE", "poll lock: store release -> relaxed", GRACE, UNLOCK, UNLOCK,
     weaker(UNLOCK, "release"), "pollers"),
    ("F_NOT", "poll lock: not taken", GRACE, LOCK, LOCK, "false", "pollers"),
    ("P_KEEP", "poll: a grace period that is over counts as begun", GRACE,
     "store_relaxed(&p->number, (uint64_t)0)", "store_relaxed(&p->number, (uint64_t)0)", "(void)0",
     "pollers"),
]

FENCED = "the fence that follows it, B2, makes it one; ThreadSanitizer does not see that fence"
ONE_CAS = "src/base/atomic.h has one compare-and-swap, the other half costs nothing on x86-64"
ONE_ADD = "src/base/atomic.h has one ordered fetch-and-add, the other half costs nothing on x86-64"

# Orders that no model needs, and why the source keeps them. To be caught is an error here: then the
# reason is wrong.
KEPT = [
    ("T", "number: acq_rel -> relaxed", GRACE, NUMBER, NUMBER, weaker(NUMBER, "acq_rel"),
     "pollers mixed handed", FENCED),
    ("TC_REL", "cookie: acq_rel -> release", GRACE, COOKIE, COOKIE,
     weaker(COOKIE, "acq_rel", "release"), "pollers handed", ONE_ADD),
    ("E1_REL", "done: CAS acq_rel -> release", GRACE, "/* E1 */", DONE,
     weaker(DONE, "acq_rel", "release"), "pollers mixed", ONE_CAS),
    ("F_ACQ", "poll lock: CAS acq_rel -> acquire", GRACE, LOCK, LOCK,
     weaker(LOCK, "acq_rel", "acquire"), "pollers", ONE_CAS),
]

# Done by the models themselves, to what they have in place of WAIT.
OWN = [
    ("B2_WAIT", "wait: membarrier removed", "writers"),
    ("B2_POLL", "poll: membarrier removed", "pollers"),
]

# What stands in the functions of WAIT that models repeat, in this order.
STEPS = {
    "int sonde_domains_wait(": ["grace_elapsed(", "grace_number(", "fence(); /* B2 */",
                                "wait_readers(", "grace_finish("],
    "static int wait_readers(": ["sync_slots_used()", "grace_look(", "wait_met("],
    "static int wait_reader(": ["while (!grace_left("],
    "static bool poll_begin(": ["fence()) /* B2 */", "sync_slots_used()", "grace_look(", "->met = word"],
    "static bool poll_over(": ["if (!note->met)", "if (!grace_left(", "->met = 0"],
}


def fail(text):
    sys.exit("adapt.py: " + text)


def replace(path, lines, name, old, new):
    """Replaces text in the one line that contains a name."""
    start, end = 0, len(lines)
    function, colon, part = name.rpartition("(): ")
    if colon:
        start = next(i for i, line in enumerate(lines)
                     if line.startswith("static inline") and f" {function}(" in line)
        end = lines.index("}\n", start)
    found = [i for i in range(start, end) if part in lines[i]]
    if len(found) != 1:
        fail(f"{path}: {len(found)} lines contain {name!r}, must be one")
    line = lines[found[0]]
    if line.count(old) != 1:
        fail(f"{path}:{found[0] + 1}: {line.count(old)} times {old!r}, must be once")
    lines[found[0]] = line.replace(old, new)
    return found[0]


def mutate(path, lines):
    """Makes the lines of this file switchable. Checks that no lettered line is forgotten."""
    letters = {i for i, line in enumerate(lines) if re.search(r"/\* [A-Z][0-9]? \*/", line)}
    here = [m for m in MUTANTS + KEPT if m[2] == path]
    for where, old in dict.fromkeys((m[3], m[4]) for m in here):
        text = old
        for m in here:
            if (m[3], m[4]) == (where, old):
                text = f"(model_is(MUTANT_{m[0]}) ? {m[5]} : {text})"
        letters.discard(replace(path, lines, where, old, text))
    for i in letters:
        fail(f"{path}:{i + 1}: no mutant of this line: {lines[i].strip()}")


def check_steps(root):
    text = (root / WAIT).read_text()
    for function, steps in STEPS.items():
        body = text.partition("\n" + function)[2].partition("\n}")[0]
        at = 0
        for step in steps:
            at = body.find(step, at)
            if at < 0:
                fail(f"{WAIT}: {function}...) has not these steps in this order: {steps}")


def table():
    rows = [(m[0], m[1], m[6], "") for m in MUTANTS] + [m + ("",) for m in OWN]
    rows += [(m[0], m[1], m[6], m[7]) for m in KEPT]
    out = ["/* Made by adapt.py. */", "enum mutant_id {", "\tMUTANT_NONE,"]
    out += [f"\tMUTANT_{row[0]}," for row in rows]
    out += ["\tMUTANTS", "};", "struct mutant {", "\tconst char *name, *about, *models;",
            '\tconst char *kept; /* why, though no model needs it; else "" */', "};",
            "static const struct mutant mutant_table[] = {", "\t{},"]
    for row in rows:
        out.append("\t{" + ", ".join(f'"{text}"' for text in row) + "},")
    return "\n".join(out + ["};"]) + "\n"


def main():
    root, relacy, out = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    check_steps(root)
    for path, to in ((READER, "sonde/reader.h"), (GRACE, "sync/grace.h")):
        lines = (root / path).read_text().splitlines(keepends=True)
        for _, name, old, new in (a for a in ADAPT if a[0] == path):
            replace(path, lines, name, old, new)
        mutate(path, lines)
        (out / to).parent.mkdir(parents=True, exist_ok=True)
        (out / to).write_text("".join(lines))
    (out / "mutants.h").write_text(table())
    shutil.copytree(relacy, out / "system" / "relacy", dirs_exist_ok=True)
    path = out / "system" / "relacy" / RELACY[0]
    lines = path.read_text().splitlines(keepends=True)
    replace(path, lines, *RELACY[1:])
    path.write_text("".join(lines))


if __name__ == "__main__":
    main()
