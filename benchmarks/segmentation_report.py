"""What the rows of segmentation.py say: tables, and a figure of the accuracy under occlusion."""

import common
import numpy as np
from matplotlib.figure import Figure

from tfcvae import plotting

MARKERS = "os^vDdP*Xp<>"
COLUMNS = {
    "pixel_accuracy": "pixel accuracy",
    "iou": "IoU",
    "sampled_iou": "IoU of samples",
    "generalized_energy_distance": "GED",
    "matched_iou": "matched IoU",
    "diversity": "diversity",
    "mode_total_variation": "TV of modes",
    "mode_total_variation_0": "TV, dark",
    "mode_total_variation_1": "TV, bright",
}

ESTIMATES = {
    "exact": "NLL, exact",
    "monte_carlo": "Monte Carlo",
    "importance": "importance",
}


def grouped(rows, data):
    """The rows of a data set by model and strategies, one for each seed."""
    groups = {}
    for row in rows:
        if row["data"] == data:
            label = " + ".join([row["model"], *row["strategies"]]).replace("_", "-")
            groups.setdefault(label, []).append(row)
    return groups


def table(rows, data):
    """Prints the results of a data set, means over the seeds."""
    lines = []
    for label, own in grouped(rows, data).items():
        values = [np.mean([r[c] for r in own]) if c in own[0] else None for c in COLUMNS]
        cells = ["" if v is None else f"{v:.3f}" for v in values]
        nats = [np.mean([r[k][0] for r in own]) if k in own[0] else None for k in ESTIMATES]
        cells += ["" if v is None else f"{v:.1f}" for v in nats]
        lines.append([label, len(own), *cells])
    print(f"\n{data}\n")
    common.print_table(["model", "seeds", *COLUMNS.values(), *ESTIMATES.values()], lines)


def figure(rows, data_names, path):
    """Draws each model's pixel accuracy when blocks of the test input are set to 0."""
    drawing = Figure(figsize=(4.5 * len(data_names), 3.6), layout="constrained")
    for axis, data in zip(drawing.subplots(1, len(data_names)), data_names):
        for marker, (label, own) in zip(MARKERS, grouped(rows, data).items()):
            shares = [100 * float(share) for share in own[0]["occlusion"]]
            accuracy = np.mean([list(row["occlusion"].values()) for row in own], axis=0)
            axis.plot(shares, 100 * accuracy, marker=marker, label=label)
        axis.set(title=data, xlabel="omitted share of the input, %", ylabel="pixel accuracy, %")
        axis.grid(color="#e6e6e6", linewidth=0.6)
    handles = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(*handles, loc="outside right center", frameon=False)
    plotting.save(drawing, path)
