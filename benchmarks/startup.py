"""Seconds to import, to the first training step, to export and to load, each in a new process.

    python benchmarks/startup.py
    python benchmarks/startup.py --table      the table of the results

The loop by hand in TensorFlow is the bare one of the same model; medians over alternating runs.
"""

import argparse
import json
import statistics
import subprocess
import sys

import common
import duel

RESULTS = common.RESULTS / "startup.jsonl"
ENTRIES = {
    "tfcvae, compile('adam')": ("start_of_tfcvae.py", "default"),
    "tfcvae, one plain step": ("start_of_tfcvae.py", "plain"),
    "tfcvae, XLA": ("start_of_tfcvae.py", "xla"),
    "TensorFlow by hand, graph": ("start_of_tensorflow.py", "graph"),
    "TensorFlow by hand, XLA": ("start_of_tensorflow.py", "xla"),
}


def run(script, argument):
    """The figures of one process."""
    command = [sys.executable, duel.FOLDER / script, argument]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


def table():
    """Prints the newest row."""
    medians = common.read_rows(RESULTS)[-1]["seconds"]
    figures = list(dict.fromkeys(figure for own in medians.values() for figure in own))
    lines = [
        (name, *(f"{own[figure]:.2f}" if figure in own else "" for figure in figures))
        for name, own in medians.items()
    ]
    common.print_table(["seconds", *figures], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        return table()
    runs = [{name: run(*entry) for name, entry in ENTRIES.items()} for _ in range(arguments.rounds)]
    seconds = {
        name: {
            figure: round(statistics.median(one[name][figure] for one in runs), 3)
            for figure in runs[0][name]
        }
        for name in ENTRIES
    }
    common.append_row(RESULTS, {"rounds": arguments.rounds, "seconds": seconds})
    table()


if __name__ == "__main__":
    main()
