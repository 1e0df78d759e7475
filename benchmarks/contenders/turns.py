"""The protocol of a contender: one line in asks for a turn, one line out answers with its seconds.

It is imported in the environments of all contenders and needs the standard library only.
"""

import json
import os
import sys
import time

_answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**facts):
    """Answers with one line, on the standard output that nothing else writes to."""
    print(json.dumps(facts), file=_answers, flush=True)


def ready():
    """Says that everything is prepared, then waits for the first turn."""
    say(ready=True)
    wait()


def wait():
    """Waits until a turn is asked for; ends the process when there will be none."""
    if not sys.stdin.readline():
        os._exit(0)


def done(seconds):
    """Answers a turn."""
    say(seconds=seconds, peak_megabytes=_peak_kilobytes() // 1024)


def _peak_kilobytes():
    # Not `getrusage`, whose peak a process inherits from the one that started it.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def take(work):
    """Does `work()` in every turn; the first one is the warm-up."""
    ready()
    while True:
        start = time.perf_counter()
        work()
        done(time.perf_counter() - start)
        wait()


def repeat(call, seconds=0.5):
    """Answers every turn with the mean seconds of `call()`, repeated for about `seconds`."""
    call()
    ready()
    while True:
        start, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < seconds:
            call()
            count += 1
        done((time.perf_counter() - start) / count)
        wait()
