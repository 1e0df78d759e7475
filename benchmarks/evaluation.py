"""Speed of the importance-sampled log-likelihood, side by side with peers, and its memory.

    python benchmarks/evaluation.py --peers PEERS/bin/python
    python benchmarks/evaluation.py --table               the tables of the results

A speed is the median over the rounds of the ratio to Pythae at its best batch size within a round.
"""

import common
import duel
from contenders import nll_sizes

RESULTS = common.RESULTS / "evaluation.jsonl"
BATCH_SIZES = (500, 1000, 2500, 5000)
SAMPLES = (50, 500, 5000, 50_000)


def contenders(peers):
    """The scripts that take part, by name."""
    entries = {"tfcvae": (("nll_of_tfcvae.py",), {})}
    if peers:
        options = {"python": peers}
        for size in BATCH_SIZES:
            entries[f"Pythae, batches of {size}"] = (("nll_of_pythae.py", str(size)), options)
        entries["PyTorch by hand"] = (("nll_of_torch.py",), options)
        entries["JAX by hand"] = (("nll_of_jax.py",), options)
    return entries


def memory():
    """Peak megabytes of one evaluation by the number of samples."""
    peaks = {}
    for samples in SAMPLES:
        contender = duel.Contender("nll_of_tfcvae.py", str(samples))
        contender.answer()
        peaks[samples] = contender.turn()["peak_megabytes"]
        contender.close()
    return peaks


def table():
    """Prints the newest row."""
    row = common.read_rows(RESULTS)[-1]
    lines = [
        (name, f"{row['draws'] / own['seconds']:,.0f}", f"{own['speed']:.2f}")
        for name, own in sorted(row["contenders"].items(), key=lambda item: item[1]["seconds"])
    ]
    common.print_table(["", "images x samples/s", f"speed, {row['reference']} = 1"], lines)
    print()
    common.print_table(["samples", "peak MB"], row["memory"].items())


def main():
    arguments = duel.parser(__doc__.splitlines()[0], rounds=9).parse_args()
    if arguments.table:
        return table()
    turns = duel.duel(contenders(arguments.peers), arguments.rounds)
    peers = [name for name in turns if name.startswith("Pythae")] or ["tfcvae"]
    alone = duel.summary(turns, peers[0])
    reference = min(peers, key=lambda name: alone[name]["seconds"])
    row = {
        "rounds": arguments.rounds,
        "draws": nll_sizes.IMAGES * nll_sizes.SAMPLES,
        "reference": reference,
        "contenders": duel.summary(turns, reference),
        "memory": memory(),
    }
    common.append_row(RESULTS, row)
    table()


if __name__ == "__main__":
    main()
