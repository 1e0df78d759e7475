"""What the benchmarks share: rows in a JSON-lines file, and the facts that go with every figure."""

import datetime
import importlib.metadata
import json
import os
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def environment():
    """The date, the machine's cores, the versions and the command of this run."""
    packages = ("tfcvae", "tensorflow", "keras", "tensorflow-probability", "numpy")
    return {
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "command": " ".join(["python", *sys.argv]),
    }


def read_rows(path):
    """The rows of a results file, or none if there is no such file."""
    path = Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def append_row(path, row):
    """Appends a row with the facts of this run, as soon as it is known."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps({**row, **environment()}) + "\n")


def print_table(header, rows):
    """Prints a Markdown table."""
    for cells in [header, ["---"] * len(header), *rows]:
        print("| " + " | ".join(str(cell) for cell in cells) + " |")
