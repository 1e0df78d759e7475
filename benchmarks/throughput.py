"""Training speed of a VAE, a convolutional VAE and a CVAE, side by side with peers.

    python benchmarks/throughput.py --peers PEERS/bin/python              all three workloads
    python benchmarks/throughput.py --peers ... --workloads mlp --rounds 3
    python benchmarks/throughput.py --table                               the tables of the results

PEERS is a virtual environment with the packages of benchmarks/peers.txt. The contenders take turns
of 20 to 100 training steps, in alternating order; a speed is the median over the rounds of the
ratio to Pythae (where it has the model, else to the loop in PyTorch) within a round.
"""

import common
import duel

RESULTS = common.RESULTS / "throughput.jsonl"
WORKLOADS = ("mlp", "conv", "cvae")
LOOPS = ("epoch", "scan")
"""Loops that XLA compiles; they run convolutions twenty times slower, half a minute a turn."""
OURS = {
    "tfcvae, compile('adam')": "default",
    "tfcvae, one plain step at a time": "plain",
    "tfcvae, jit_compile": "xla",
    "tfcvae, steps_per_execution=32": "steps",
    "tfcvae, both": "xla-steps",
    "tfcvae, bfloat16": "default+bfloat16",
}


def contenders(workload, peers):
    """The scripts that take part, by name."""
    entries = {name: (("of_tfcvae.py", workload, s), {}) for name, s in OURS.items()}
    for mode in ("graph", "xla", "epoch"):
        entries[f"TensorFlow by hand, {mode}"] = (("of_tensorflow.py", workload, mode), {})
    if workload != "cvae":
        entries["Keras's VAE example"] = (("of_keras.py", workload), {})
    entries["the machine's limit"] = (("limit.py", workload), {})
    if peers:
        options = {"python": peers}
        if workload != "cvae":
            entries["Pythae"] = (("of_pythae.py", workload), options)
        entries["PyTorch by hand"] = (("of_torch.py", workload), options)
        for mode in ("step", "scan"):
            entries[f"JAX by hand, {mode}"] = (("of_jax.py", workload, mode), options)
    if workload == "conv":
        entries = {name: e for name, e in entries.items() if not name.endswith(LOOPS)}
    return entries


def reference(rows):
    """The contender that the speeds refer to."""
    names = ("Pythae", "PyTorch by hand", "Keras's VAE example", "TensorFlow by hand, graph")
    return next(name for name in names if name in rows)


def table():
    """Prints the newest row of each workload."""
    newest = {row["workload"]: row for row in common.read_rows(RESULTS)}
    for workload, row in newest.items():
        contenders, base = row["contenders"], row["reference"]
        limit = contenders["the machine's limit"]["seconds"]
        print(f"\n{workload}: {row['rounds']} rounds, speeds relative to {base}\n")
        lines = [
            (
                name,
                f"{own['seconds']:.2f}",
                f"{row['examples'] / own['seconds']:,.0f}",
                f"{own['speed']:.2f}",
                f"{limit / own['seconds']:.0%}",
                own["peak_megabytes"],
            )
            for name, own in sorted(contenders.items(), key=lambda item: item[1]["seconds"])
        ]
        header = ["", "seconds", "examples/s", "speed", "of the limit", "peak MB"]
        common.print_table(header, lines)


def main():
    parser = duel.parser(__doc__.splitlines()[0], rounds=15)
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS)
    parser.add_argument("--only", nargs="+", help="names of contenders, or parts of them")
    arguments = parser.parse_args()
    if arguments.table:
        return table()
    from contenders import sizes

    for workload in arguments.workloads:
        entries = contenders(workload, arguments.peers)
        if arguments.only:
            entries = {k: v for k, v in entries.items() if any(p in k for p in arguments.only)}
        turns = duel.duel(entries, arguments.rounds)
        base = reference(turns) if not arguments.only else next(iter(turns))
        row = {
            "workload": workload,
            "rounds": arguments.rounds,
            "examples": sizes.ROWS[workload],
            "reference": base,
            "contenders": duel.summary(turns, base),
        }
        if arguments.only:
            common.print_table(
                ["", "seconds", "speed"],
                [(k, v["seconds"], v["speed"]) for k, v in row["contenders"].items()],
            )
        else:
            common.append_row(RESULTS, row)


if __name__ == "__main__":
    main()
