#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The same as mutants.py for the address table and for code memory: mutants_code.py TOP [-q] [NAME...]
"""

import os
import subprocess
import sys

import mutants

TABLE = "src/sync/table.c"
CODE = "src/sync/code.c"
STACK = "src/sync/stack.c"
TASK = "src/sync/task.c"

mutants.MUTANTS = [
    ("J array", "a new array is shown without an order", TABLE,
     "store_release(&t->array, a); /* J */", "store_relaxed(&t->array, a);", "tsan"),
    ("J lookup", "an array is read without an order", TABLE,
     "load_acquire(&t->array); /* J */", "load_relaxed(&t->array);", "tsan"),
    ("K node", "a node is shown without an order", TABLE,
     "store_release(&s->node, node); /* K */", "store_relaxed(&s->node, node);", "tsan"),
    ("K lookup", "a node is read without an order", TABLE,
     "load_acquire(&a->slot[at].node); /* K */", "load_relaxed(&a->slot[at].node);", "tsan"),
    ("table early", "a new array is shown before it is filled", TABLE,
     "\tfor (size_t i = 0; i <= old->mask; i++) {",
     "\tstore_release(&t->array, a);\n\tfor (size_t i = 0; i <= old->mask; i++) {", "table"),
    ("table reclaim", "an old array is given back at once", TABLE,
     "sonde_domain_call(t->domain, &old->deferred, array_gone);\n\treturn 0;",
     "array_gone(&old->deferred);\n\treturn 0;", "table"),
    ("table nodes", "removed nodes do not wait for a grace period", TABLE,
     "sonde_domain_call(t->domain, &first->deferred, batch_gone);",
     "batch_gone(&first->deferred);", "table"),
    ("table batch", "each removed node waits by itself", TABLE,
     "\t\tslot_clear(t, s);\n", "\t\tslot_clear(t, s);\n\t\tsonde_domain_synchronize(t->domain);\n",
     "table"),
    ("table key", "the slot's key is believed", TABLE,
     "if (node && node->key == key)", "if (node)", "table"),
    ("table empties", "a removed node's slot is emptied, whatever lies behind it", TABLE,
     "while (!a->slot[(at + 1) & a->mask].key && a->slot[at].key",
     "while (a->slot[at].key", "table"),
    ("table sweep", "slots with nodes are emptied, too", TABLE,
     " && a->slot[at].key && !a->slot[at].node) {", " && a->slot[at].key) {", "table"),
    ("table left", "places of removed nodes are never used again", TABLE,
     "return left ? left : s;", "return s;", "table"),
    ("code period", "the domains are not asked", CODE,
     "done &= sonde_domain_poll(q->domain[i], q->cookie);", "", "code"),
    ("code pc", "where a thread stands is not looked at", CODE,
     "return sync_code_holds(q, t->pc);", "return false;", "code"),
    ("code stack", "stacks are not looked at", CODE,
     "err = sync_stack_search(q, as, c->task.sp, w->words);", "err = as ? 0 : 1;", "code"),
    ("code awake", "who is awake is taken for outside", CODE,
     "if (err && err != -EAGAIN &&", "if (err == -EAGAIN)\n\t\t\tsee(w, t->tid, c->start);\n"
     "\t\tif (err && err != -EAGAIN &&", "code"),
    ("code moved", "a thread may run between the two looks", TASK,
     "if (!err && now.switches != t->switches)", "if (0)", "code"),
    ("code asleep", "the second look may find it awake", CODE,
     "err = sync_task_slept(&c->task, w->text);", "err = 0;", "code"),
    ("code end", "the address behind the last instruction is outside", STACK,
     "return q->range[lo].start <= addr;",
     "return q->range[lo].start <= addr && addr != q->range[lo].end;", "code"),
    ("code frames", "signal frames are not followed", STACK,
     "if (i + TO_SP < n && is_altstack(w + i, addr + i * 8))", "if (0)", "code"),
    ("code pieces", "a frame between two pieces of a stack is lost", STACK,
     "part.start += (more ? n - TO_SP : n) * 8;", "part.start += n * 8;", "stack"),
    ("code joined", "a stack ends where its rights change", STACK,
     "if (last && start <= last->end &&", "if (0 &&", "stack"),
    ("code child", "who waits for a child in his memory is outside", CODE,
     " && !makes_child(t);", ";", "threads"),
    ("code count", "a list is taken for complete", CODE,
     "r->whole = count == (long)w->ntid;", "r->whole = true;", "threads"),
    ("code again", "those who are seen last could have left a child", CODE,
     "\tif (!r.unseen)\n", "\tif (!r.unseen || w->nseen == before + r.unseen)\n", "threads"),
    ("code vfork", "a vfork child decides for its parent", CODE,
     "if (pid != sync_pid())", "if (0)", "threads"),
    ("code kernel", "who has no registers is inside for ever", CODE,
     "if (!err && !t->sp && !t->pc)\n", "if (0)\n", "threads"),
    ("code proc", "any directory is taken for /proc", CODE,
     "if (sys2(SYS_fstatfs, dir, &fs) || fs.f_type != PROC_SUPER_MAGIC) {", "(void)fs;\n\tif (0) {",
     "threads"),
]

SOURCES = ["src/sync/call.c", "src/sync/code.c", "src/sync/domain.c", "src/sync/slot.c",
           "src/sync/stack.c", "src/sync/table.c", "src/sync/task.c", "src/sync/wait.c",
           "src/base/mem.c", "src/base/sys.c", "src/lib/domain.c"]
SYSCALL = "src/arch/x86_64/syscall.S"  # the tests of code memory have one of their own
mutants.TESTS = {
    "table": ("tests/unit/sync/test_table.c", [SYSCALL, "-DSONDE_RACE_POINTS"], [], 10),
    "stack": ("tests/unit/sync/test_stack.c", [SYSCALL], [], 20),
    "code": ("tests/unit/sync/test_code.c", ["-DSONDE_RACE_POINTS"], [], 30),
    "threads": ("tests/unit/sync/test_code_threads.c", ["-DSONDE_RACE_POINTS"], [], 30),
    "tsan": ("tests/stress/table.c", [SYSCALL, "-fsanitize=thread"], ["3", "3"], 60),
}


def build(where, test):
    source, more, _, _ = mutants.TESTS[test]
    out = where / ("run_" + test)
    if not out.exists():
        r = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-w", "-Isrc", "-Iinclude",
                            "-o", str(out), source, *more, *SOURCES, "-lcmocka", "-lpthread"],
                           cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
        if r.returncode:
            raise mutants.Broken(r.stdout)
    return out


mutants.build = build

if __name__ == "__main__":
    os.environ["CMOCKA_TEST_ABORT"] = "1"  # or what a failed test has left behind hangs
    sys.exit(mutants.main())
