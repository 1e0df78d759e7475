"""Densities and draws per second of the flow priors, side by side with peers.

    python benchmarks/flows.py --peers PEERS/bin/python
    python benchmarks/flows.py --table                    the table of the results

1,000 points or draws a call, hidden layers of 128 and 128, splines of 8 bins. A row is one kind of
flow, dimension, number of steps and direction; rows that are in the results are not run again.
"""

import common
import duel
from contenders import flow_sizes

RESULTS = common.RESULTS / "flows.jsonl"
CASES = [(kind, 32, 5) for kind in flow_sizes.KINDS]
CASES += [("maf", dimension, 5) for dimension in (8, 128)]
CASES += [("maf", 32, steps) for steps in (1, 10)]
DIRECTIONS = ("log_prob", "sample")
PEERS = ("zuko", "nflows", "flowjax")


def contenders(case, direction, peers):
    """The scripts that take part, by name."""
    arguments = (*map(str, case), direction)
    entries = {
        f"tfcvae, {mode}": (("flow_of_tfcvae.py", *arguments, mode), {})
        for mode in ("graph", "xla")
    }
    if peers:
        for name in PEERS:
            entries[name] = ((f"flow_of_{name}.py", *arguments), {"python": peers})
    return entries


def key(row):
    """What a row is about."""
    return row["kind"], row["dimension"], row["steps"], row["direction"]


def table():
    """Prints milliseconds of the reference and the speed of all relative to it."""
    rows = common.read_rows(RESULTS)
    names = list(dict.fromkeys(name for row in rows for name in row["contenders"]))
    lines = [
        (
            *key(row),
            f"{1000 * row['contenders'][row['reference']]['seconds']:.4g}",
            *(f"{row['contenders'][name]['speed']:.2f}" for name in names),
        )
        for row in rows
    ]
    reference = f"{rows[0]['reference']}, ms"
    common.print_table(["flow", "dimension", "steps", "direction", reference, *names], lines)


def main():
    arguments = duel.parser(__doc__.splitlines()[0], rounds=5).parse_args()
    if arguments.table:
        return table()
    present = {key(row) for row in common.read_rows(RESULTS)}
    for case in CASES:
        for direction in DIRECTIONS:
            if (*case, direction) in present:
                continue
            turns = duel.duel(contenders(case, direction, arguments.peers), arguments.rounds)
            reference = "zuko" if "zuko" in turns else "tfcvae, graph"
            facts = dict(zip(("kind", "dimension", "steps", "direction"), (*case, direction)))
            row = {**facts, "reference": reference, "contenders": duel.summary(turns, reference)}
            common.append_row(RESULTS, row)


if __name__ == "__main__":
    main()
