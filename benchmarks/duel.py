"""Runs contenders in turn, each in a process of its own, so that noise meets all of them alike.

A contender is a script that speaks `contenders/turns.py`: it warms up, waits, does one turn of its
work whenever it is asked to, and answers with the seconds that the turn took.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "contenders"


def parser(description, rounds):
    """The arguments that the benchmarks against peers share."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--peers", metavar="PYTHON", help="interpreter with benchmarks/peers.txt")
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--table", action="store_true", help="only print the tables")
    return made


class Contender:
    """A process that waits for its turns.

    Args:
        script: name of a file in `contenders`.
        *arguments: its arguments.
        python: the interpreter of its environment.
    """

    def __init__(self, script, *arguments, python=sys.executable):
        command = [python, FOLDER / script, *arguments]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def answer(self):
        """The next line that the contender says; the first one describes it."""
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return json.loads(line)

    def turn(self):
        """One turn: a dict with `seconds` and `peak_megabytes`."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.answer()

    def close(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def duel(contenders, rounds):
    """The turns of each contender, which take place in alternating order.

    Args:
        contenders: dict from names to arguments of `Contender`, a tuple and a dict.
        rounds: int, the turns of each.

    Returns:
        A dict from names to lists of turns.
    """
    running = {}
    try:
        for name, (arguments, options) in contenders.items():
            print(f"starting {name}", file=sys.stderr)
            running[name] = Contender(*arguments, **options)
            running[name].answer()
            running[name].turn()
        turns = {name: [] for name in running}
        for number in range(rounds):
            for name in list(running)[:: -1 if number % 2 else 1]:
                turns[name].append(running[name].turn())
                print(f"{name}: {turns[name][-1]['seconds']:.2f} s", file=sys.stderr)
        return turns
    finally:
        for contender in running.values():
            contender.close()


def summary(turns, reference):
    """For each contender its median seconds, its speed against a reference, and its peak memory.

    The speed is the median over the rounds of the ratio within a round.
    """
    rows = {}
    for name, own in turns.items():
        seconds = [turn["seconds"] for turn in own]
        ratios = [turn["seconds"] / mine for turn, mine in zip(turns[reference], seconds)]
        rows[name] = {
            "seconds": float(f"{statistics.median(seconds):.4g}"),
            "speed": round(statistics.median(ratios), 3),
            "peak_megabytes": max(turn["peak_megabytes"] for turn in own),
        }
    return rows
