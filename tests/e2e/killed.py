#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGKILL in mid-run: every completed call is in the tool's count.

The victim counts completed calls in a file of its own. Each thread may have been killed between
the probe and its own counter: then the tool's count is one higher, never lower.
"""
import json
import os
import signal
import struct
import subprocess
import sys
import time

SONDE, VICTIM = os.environ["SONDE"], os.environ["V"] + "/victim_killed"
THREADS = 4


def counters():
    try:
        with open("shared", "rb") as f:
            values = struct.unpack_from("<65q", f.read())
    except (OSError, struct.error):
        return 0, []
    return values[0], list(values[1:1 + THREADS])


def one_round(number):
    for name in ("shared", "data"):
        if os.path.exists(name):
            os.unlink(name)
    script = f"uprobe:{VICTIM}:work {{ @ = count(); @k[tid] = count(); }}"
    tool = subprocess.Popen([SONDE, "-q", "-f", "json", "-o", "data", "-e", script,
                             "-c", f"{VICTIM} shared {THREADS}"])
    deadline = time.monotonic() + 20
    while True:
        pid, done = counters()
        if pid and min(done, default=0) > 10000 * (number + 1):
            break
        if time.monotonic() > deadline or tool.poll() is not None:
            sys.exit("the victim never got going")
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    if tool.wait(timeout=20) != -signal.SIGKILL:
        sys.exit(f"status {tool.returncode}, expected the victim's signal")
    maps = {}
    with open("data", encoding="utf-8") as f:
        for line in f:
            if line.strip():
                maps.update(json.loads(line)["data"])
    done = sum(counters()[1])
    for name, count in (("@", maps["@"]), ("@k", sum(maps["@k"].values()))):
        if not done <= count <= done + THREADS:
            sys.exit(f"{name}: counted {count}, the victim completed {done}")


for i in range(5):
    one_round(i)
print("killed 5 times, every count exact")
