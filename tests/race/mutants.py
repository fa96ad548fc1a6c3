#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Broken variants of grace-period domains, and what catches each: mutants.py TOP [-q] [NAME...]

Each variant is a copy of the sources with one thing wrong, mostly the ordered access that a letter
stands for. The tests are built with it and run one after the other until one fails; that one is
named in the table. A variant that nothing catches, or whose line is not found, or which does not
compile, is a failure: then the tests or this list must grow.

Weak memory orders, which a machine like this one does not show, are the matter of tests/model, which
has its own list. Nor do the compilers of today move anything across the store of entering without
its signal fence, or across that of leaving: only without any order at all ("B1 relaxed").

-q: each variant with its own test alone, the one that is tried first, and without those that are
caught because a test hangs, which takes its time. The whole list: python3 tests/race/mutants.py .
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

READER = "include/sonde/reader.h"
GRACE = "src/sync/grace.h"
SLOT = "src/sync/slot.c"
WAIT = "src/sync/wait.c"
CALL = "src/sync/call.c"
DOMAIN = "src/sync/domain.c"
WORKER = "src/lib/domain.c"

# name, what is wrong, file, text, replacement, the test that is tried first
MUTANTS = [
    ("B1 store", "entering does not store the word", READER,
     "v + SONDE_READER_ENTER, __ATOMIC_RELEASE)", "v, __ATOMIC_RELEASE)", "race"),
    ("B1 relaxed", "nothing holds the section's loads behind the store", READER,
     '__atomic_store_n(word, v + SONDE_READER_ENTER, __ATOMIC_RELEASE); /* B1 */\n'
     '\tSONDE_READER_POINT("reader: after enter");\n\t__atomic_signal_fence(__ATOMIC_SEQ_CST);',
     '*word = v + SONDE_READER_ENTER;\n\tSONDE_READER_POINT("reader: after enter");', "codegen"),
    ("B1 seq_cst", "a fence on the reader's path", READER,
     "v + SONDE_READER_ENTER, __ATOMIC_RELEASE)", "v + SONDE_READER_ENTER, __ATOMIC_SEQ_CST)",
     "codegen"),
    ("B1 plain order", "the word is stored after the section has begun", READER,
     '__atomic_store_n(word, v + SONDE_READER_ENTER, __ATOMIC_RELEASE); /* B1 */\n'
     '\tSONDE_READER_POINT("reader: after enter");',
     'SONDE_READER_POINT("reader: after enter");\n'
     '\t__atomic_store_n(word, v + SONDE_READER_ENTER, __ATOMIC_RELEASE); /* B1 */', "race"),
    ("B1 slow", "entering by the slow path does not store", GRACE,
     "store_release(word, load_relaxed(word) + SONDE_READER_ENTER);",
     "store_release(word, load_relaxed(word));", "wait_fences"),
    ("B2 wait", "waiting forgets the fence", WAIT,
     "\terr = fence(); /* B2 */\n", "\terr = 0;\n", "wait"),
    ("B2 poll", "polling forgets the fence", WAIT,
     "if (fence()) /* B2 */", "if (0)", "wait"),
    ("B2 error", "a membarrier that fails is taken for one that worked", WAIT,
     "return (int)sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);",
     "sys3(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);\n\treturn 0;", "wait"),
    ("B2 early look", "the records are counted before the fence", WAIT,
     "\terr = fence(); /* B2 */\n\trace_point(\"wait: after fence\");\n\tif (!err)\n"
     "\t\terr = wait_readers(&w);",
     "\terr = wait_readers(&w);\n\tif (!err)\n\t\terr = fence();\n"
     "\trace_point(\"wait: after fence\");", "race"),
    ("B nused", "a new record is not counted", WAIT,
     "uint32_t used = sync_slots_used();\n\tint err = 0;",
     "uint32_t used = sync_slots_used() ? 1 : 0;\n\tint err = 0;", "wait"),
    ("C1 count", "leaving does not count", READER,
     "v + SONDE_READER_LEAVE, __ATOMIC_RELEASE)", "v - 1, __ATOMIC_RELEASE)", "race"),
    ("C1 early", "a nested leave ends the section", GRACE,
     "depth == 1 ? v + SONDE_READER_LEAVE : v - 1", "v - depth + 0x10000", "domain"),
    ("C2 wait", "the writer waits for nobody", WAIT,
     "while (!grace_left(word, met->word)) {", "while (0) {", "race"),
    ("C2 left", "a section is taken for over when its thread nests", GRACE,
     "(v ^ seen) >> GRACE_COUNT_SHIFT", "v != seen", "race"),
    ("C2 count only", "who is outside is still waited for", GRACE,
     "return !(v & SONDE_READER_DEPTH) || (v ^ seen) >> GRACE_COUNT_SHIFT;",
     "return (v ^ seen) >> GRACE_COUNT_SHIFT && v & SONDE_READER_DEPTH;", "wait"),
    ("C2 poll", "a poller forgets whom it met", WAIT,
     "\t\tif (!note->met)\n\t\t\tcontinue;\n", "\t\tif (1)\n\t\t\tcontinue;\n", "race"),
    ("independence", "a wait looks at another domain's readers", WAIT,
     "return &sync_rt.arena->slot[at].reader.word[d->index];",
     "return &sync_rt.arena->slot[at].reader.word[(void)d, 1];", "wait"),
    ("D clean by store", "a dead record is cleaned without CAS", SLOT,
     "if (cas_acq_rel(&slot->owner, &owner, owner_next(owner, who))) { /* D */",
     "store_release(&slot->owner, owner_next(owner, who));\n\tif (1) {", "race"),
    ("D claim by store", "a free record is claimed without CAS", SLOT,
     "return cas_acq_rel(&slot->owner, &owner, owner_next(owner, tid)); /* D */",
     "store_release(&slot->owner, owner_next(owner, tid));\n\treturn true;", "race"),
    ("D generation", "how often a record changed hands is not counted", SLOT,
     "return ((owner >> 32) + 1) << 32 | (uint32_t)who;", "return (void)owner, (uint32_t)who;",
     "race"),
    ("D cleaning", "a record is free before its words are", SLOT,
     "owner_next(owner, who))) {", "owner_next(owner, SLOT_FREE))) {", "race"),
    ("D since", "a new owner is judged by when the last one began", SLOT,
     "\tstore_relaxed(&slot->since, (uint64_t)0);\n", "", "race"),
    ("D alive", "who lives is taken for dead", SLOT,
     "!= -ESRCH &&\n", "== -ESRCH &&\n", "wait"),
    ("D not left", "the dead one's sections stay open", SLOT,
     "store_release(word, (v | SONDE_READER_DEPTH) + 1); /* C1 */", ";", "ends"),
    ("D leader", "a first thread that has ended is waited for", SLOT,
     "state == 'Z' || state == 'X' || ", "", "ends"),
    ("D reused", "a number that is another's now is waited for", SLOT,
     "(since && start > since)", "false", "ends"),
    ("D short waits", "waits that are short never look for the dead", WAIT,
     "sync_slot_clean(slot, inside_ns(met->d, met->at, met->word));\n\t\t\treturn grace_left",
     "return grace_left", "ends"),
    ("D vfork", "a vfork child claims a record", SLOT,
     "if (sync_is_guest())\n\t\treturn NULL;", "if (0)\n\t\treturn NULL;", "fork"),
    ("D nested claim", "a claim that a handler overtook keeps both records", SLOT,
     "if (unlikely(nested && nested != &slot->reader)) {", "if (0) {", "signal"),
    ("D takeover", "records of the dead are not used again", SLOT,
     "sync_owner(owner) != tid && sync_slot_clean(slot, 0))", "sync_owner(owner) != tid && false)",
     "crowd"),
    ("strangers", "who has no record is not waited for", WAIT,
     "while ((n = load_acquire(&sync_lane(d)->strangers)) != 0) { /* C2 */", "while ((n = 0)) {",
     "crowd_few"),
    ("E before", "it is said to be over before the last look", WAIT,
     "\tnumber = grace_number(&sync_rt.numbers);\n",
     "\tnumber = grace_number(&sync_rt.numbers);\n"
     "\tgrace_finish(&sync_domain(d[0])->poll.done, number);\n", "race"),
    ("E back", "an older grace period takes a younger one's end back", GRACE,
     "\twhile (v < n) {\n\t\tif (cas_acq_rel(done, &v, n)) /* E1 */\n\t\t\tbreak;\n\t}\n",
     "\t(void)v;\n\tstore_release(done, n);\n", "race"),
    ("E all", "of several domains only one is told", WAIT,
     "for (size_t i = 0; i < n && !err; i++)\n\t\tgrace_finish(",
     "for (size_t i = 0; i < 1 && !err; i++)\n\t\tgrace_finish(", "wait"),
    ("F lock", "pollers do not exclude each other", GRACE,
     "if (!cas_acq_rel(lock, &none, self)) /* F */", "none = cas_acq_rel(lock, &none, self);\n"
     "\tif (0)", "race"),
    ("F unlock", "the poll lock is kept", GRACE,
     "store_release(lock, (uint64_t)0); /* F */", ";", "wait"),
    ("F give up", "a poll gives up the grace period that has begun", GRACE,
     "\t\tif (!n) {\n", "\t\tif (1) {\n", "wait"),
    ("F younger", "a grace period that began before the cookie is enough", GRACE,
     "\t\tgrace_finish(&p->done, n);\n", "\t\tgrace_finish(&p->done, n > cookie ? n : cookie);\n",
     "wait"),
    ("T cookie", "a cookie is that of a grace period that has begun", GRACE,
     "return fetch_add_acq_rel(numbers, (uint64_t)0) + 1; /* T */",
     "return fetch_add_acq_rel(numbers, (uint64_t)0); /* T */", "race"),
    ("T number", "two grace periods have one number", GRACE,
     "return fetch_add_acq_rel(numbers, (uint64_t)1) + 1; /* T */",
     "return fetch_add_acq_rel(numbers, (uint64_t)0) + 1; /* T */", "wait"),
    ("G sleeping", "the worker says that it sleeps after its look", CALL,
     ("\t\tstore_seq_cst(&q->sleeping, 1u); /* G */\n",
      "\t\trace_point(\"worker: before sleep\");\n"),
     ("", "\t\trace_point(\"worker: before sleep\");\n"
      "\t\tstore_seq_cst(&q->sleeping, 1u);\n"), "race"),
    ("G look", "the worker does not look before it sleeps", CALL,
     "if (load_seq_cst(&q->head) || load_seq_cst(&q->first) || load_seq_cst(stop))",
     "if (load_seq_cst(stop))", "race"),
    ("G first", "the worker forgets what a run has left", CALL,
     "load_seq_cst(&q->head) || load_seq_cst(&q->first) ||", "load_seq_cst(&q->head) ||", "race"),
    ("G wake", "a push does not wake the worker", CALL,
     "sys3(SYS_futex, &q->sleeping, FUTEX_WAKE_PRIVATE, 1);", "(void)0;", "race"),
    ("G order", "callbacks run newest first", CALL,
     "\t\tlist->next = oldest;\n\t\toldest = list;\n", "\t\tif (!oldest)\n\t\t\toldest = list;\n"
     "\t\tnewest = list;\n\t\tlist->next = next;\n", "call"),
    ("H lock", "two run at a time", CALL,
     "if (!sync_try_lock(lock)) /* H */", "if (0)", "call"),
    ("H subtract", "a callback that forked leaves the child's lock below zero", CALL,
     "store_seq_cst(lock, (uint64_t)0); /* H */", "fetch_sub_seq_cst(lock, (uint64_t)1);", "fork"),
    ("H early", "callbacks do not wait for their grace period", CALL,
     "&& sonde_domain_poll(handle, node->cookie)", "", "call"),
    ("fork section", "the forking thread's section ends in the child", SLOT,
     "store_relaxed(&self->word[i], sync_rt.fork_word[i]);", ";", "fork"),
    ("fork poll", "whom the parent's pollers had met is over in the child", SLOT,
     "store_relaxed(&sync_rt.domain[i].poll.number, (uint64_t)0);", ";", "fork"),
    ("fork wipe", "the parent's readers stay in the child", SLOT,
     "if (sys3(SYS_madvise, &arena->pid, arena_size(n) - offsetof(struct sync_arena, pid),\n"
     "\t\t MADV_WIPEONFORK) < 0) {", "if (0) {", "fork"),
    ("deadlock", "who is inside waits for himself", WAIT,
     "\t\tif (sync_inside(d[i]))\n\t\t\treturn -EDEADLK;\n", "", "domain"),
    ("worker signals", "the worker takes signals", WORKER,
     "pthread_sigmask(SIG_SETMASK, &all, &old);", "pthread_sigmask(SIG_SETMASK, NULL, &old);",
     "lib"),
]

HANGS = {"B1 slow", "B nused", "C1 count", "C2 count only", "C2 poll", "independence", "D alive",
         "D not left", "D leader", "D reused", "D short waits", "F unlock", "F give up", "F younger",
         "T number", "G sleeping", "G look", "G first", "G wake", "H lock", "H subtract", "H early",
         "fork wipe", "deadlock"}

# name -> (source, further sources, arguments, seconds at most). In the order they are tried.
COMMON = ["src/sync/call.c", "src/sync/domain.c", "src/sync/slot.c", "src/sync/task.c",
          "src/sync/wait.c", "src/base/mem.c", "src/arch/x86_64/syscall.S"]
TESTS = {
    "race": ("tests/race/domains.c", [], [], 12),
    "wait": ("tests/unit/sync/test_wait.c", [WORKER], [], 12),
    "wait_fences": ("tests/unit/sync/test_wait.c", [WORKER], ["fences"], 12),
    "domain": ("tests/unit/sync/test_domain.c", [WORKER], [], 12),
    "call": ("tests/unit/sync/test_call.c", [WORKER], [], 12),
    "fork": ("tests/unit/sync/test_fork.c", [WORKER], [], 12),
    "ends": ("tests/unit/sync/test_ends.c", [WORKER], [], 12),
    "signal": ("tests/unit/sync/test_signal.c", [WORKER], [], 12),
    "lib": ("tests/unit/lib/test_domain.c", [WORKER], [], 12),
    "crowd_few": ("tests/unit/sync/test_crowd.c", [WORKER], ["few"], 10),
    "crowd": ("tests/unit/sync/test_crowd.c", [WORKER], [], 60),
    "stress": ("tests/stress/domains.c", [WORKER], ["8", "5"], 30),
    "codegen": (None, [], [], 60),
}

class Broken(Exception):
    """The list does not fit the sources."""


def copy(top, to, mutant):
    """The sources, with one thing wrong."""
    for part in ("include", "src/base", "src/sync", "src/lib", "src/arch", "tests/race",
                 "tests/unit/sync", "tests/unit/act", "tests/unit/lib", "tests/stress"):
        shutil.copytree(top / part, to / part)
    name, _, file, texts, replacements, _ = mutant
    if isinstance(texts, str):
        texts, replacements = [texts], [replacements]
    source = (to / file).read_text()
    for text, replacement in zip(texts, replacements):
        if source.count(text) != 1:
            raise Broken(f"{name}: {source.count(text)} places in {file}: {text!r}")
        source = source.replace(text, replacement)
    (to / file).write_text(source)


def build(where, test):
    source, more, _, _ = TESTS[test]
    out = where / ("run_" + source.replace("/", "_"))
    if not out.exists():
        points = ["-DSONDE_RACE_POINTS"] if test == "race" else []
        r = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-w", *points, "-Isrc",
                            "-Iinclude", "-o", str(out), source, *more, *COMMON, "-lcmocka",
                            "-lpthread"], cwd=where, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, check=False)
        if r.returncode:
            raise Broken(r.stdout)
    return out


def passes(where, test):
    """Whether a test passes; a test that hangs does not."""
    _, _, args, seconds = TESTS[test]
    if test == "codegen":
        command = [sys.executable, "tests/unit/sync/codegen.py", ".", "gcc", "clang"]
    else:
        command = [str(build(where, test)), *args]
    with subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, start_new_session=True) as child:
        try:
            return child.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            # with all that it has left behind: a broken test may leave processes that spin
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def judge(top, mutant, quick):
    """Who catches it: a test's name, or what is wrong with the list."""
    tests = [mutant[5]] + [t for t in TESTS if t != mutant[5] and not quick]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as tmp:
        where = Path(tmp)
        try:
            copy(top, where, mutant)
            for test in tests:
                if not passes(where, test):
                    return test, time.monotonic() - start
        except Broken as e:
            return "BROKEN: " + str(e), 0
    return None, time.monotonic() - start


def main():
    args = [a for a in sys.argv[1:] if a != "-q"]
    top = Path(args[0])
    wanted = [m for m in MUTANTS if m[0] in args[1:] or not args[1:] and
              not ("-q" in sys.argv and m[0] in HANGS)]
    bad = 0
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda m: judge(top, m, "-q" in sys.argv), wanted)
        print(f"{'variant':16} | {'what is wrong':70} | caught by")
        for mutant, (by, seconds) in zip(wanted, results):
            bad += by is None or by.startswith("BROKEN")
            print(f"{mutant[0]:16} | {mutant[1]:70} | {by or 'NOTHING'} ({seconds:.1f} s)",
                  flush=True)
    print(f"{len(wanted) - bad} of {len(wanted)} caught")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
