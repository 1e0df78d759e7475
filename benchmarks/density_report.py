"""What the rows of density.py say: tables, and a figure."""

import common
from matplotlib.figure import Figure

from tfcvae import plotting

LABELS = {
    "standard_normal": "N(0, I)",
    "learned_normal": "learned normal",
    "full_normal": "learned normal, full covariance",
    "bayesian_normal": "Bayesian normal",
    "mixture": "mixture of 200 normals",
    "full_mixture": "mixture of 32 normals, full covariance",
    "vamp": "VampPrior, 500 pseudo-inputs",
    "maf": "MAF, 5 steps",
    "iaf": "IAF, 5 steps",
    "real_nvp": "RealNVP, 5 steps",
    "nsf": "neural spline flow, 5 couplings",
    "second_stage": "second VAE, trained jointly",
    "two_stage": "second VAE, trained after the first",
    "iaf_posterior": "N(0, I), IAF posterior",
    "both_flows": "MAF, IAF posterior",
    "iwae": "N(0, I), importance-weighted training, 10 draws",
    "maf_iwae": "MAF, then importance-weighted training, 5 draws",
    "conv": "convolutions, MAF, IAF posterior",
    "deep_conv_iwae": "deeper convolutions, MAF, then importance-weighted training, 5 draws",
}

ADVICE = {
    "standard_normal": "first, and wherever a fixed scale of z is worth more than nats",
    "learned_normal": "as p(z\\|x) of a CVAE; as p(z) it only moves and scales z",
    "full_normal": "as p(z\\|x) whose dimensions depend on each other",
    "bayesian_normal": "there are few examples, and the prior's parameters are uncertain",
    "mixture": "z should fall into clusters, or the answers of a p(z\\|x) into modes",
    "full_mixture": "z should fall into few, stretched clusters",
    "vamp": "the encoder is cheap, and there is time for its slower steps",
    "maf": "the density counts, and draws are rare or may wait",
    "iaf": "hardly ever: its density is slow, and training needs it; an IAF posterior is fast",
    "real_nvp": "densities and draws should both be fast, as in serving",
    "nsf": "densities and draws should both be fast, and z has sharp edges",
    "second_stage": "drawing counts, and a bound is enough for a density",
    "two_stage": "a trained model must stay as it is",
    "iaf_posterior": "p(z) should stay N(0, I)",
    "both_flows": "hardly ever: a MAF alone is as good in the same time",
    "iwae": "at the end of a training; from the start its slow steps are too few",
    "maf_iwae": "the likelihood counts, and minutes do not",
    "conv": "x are images",
    "deep_conv_iwae": "x are images, the likelihood counts, and minutes do not",
}

SHORT = 25
"""Processor minutes under which a training is one of those of about ten minutes."""

DRAWS = {
    "1000": "NLL, 1,000 draws",
    "5000": "5,000 draws",
    "500": "500 draws",
    "5000_of_1000": "5,000, 1,000 images",
}


def likelihood(row):
    """The importance-sampled negative log-likelihood with 1,000 draws, of slow models with 500."""
    return row.get("1000", row.get("500"))[0]


def is_short(row):
    return row["train_cpu_minutes"] < SHORT


def tables(rows, data_names):
    """Prints the results of each data set, best first."""
    for data in data_names:
        own = sorted((r for r in rows if r["data"] == data), key=likelihood)
        if not own:
            continue
        print(f"\n{data}\n")
        header = [
            "prior",
            "-ELBO",
            *DRAWS.values(),
            "active",
            "epochs",
            "CPU minutes",
        ]
        common.print_table(
            header,
            [
                [
                    LABELS[r["model"]],
                    f"{r['elbo'][0]:.2f}",
                    *(f"{r[k][0]:.2f}" if k in r else "" for k in DRAWS),
                    r["active_units"],
                    r["epochs"],
                    r["train_cpu_minutes"],
                ]
                for r in own
            ],
        )


def summary(rows, names):
    """Prints the likelihoods of some models by most draws, a column for each length of training."""
    columns = {
        "Fashion-MNIST, about 10 minutes": ("fashion_mnist", True),
        "Fashion-MNIST, an hour or more": ("fashion_mnist", False),
        "MNIST, about 10 minutes": ("mnist", True),
    }

    def cell(name, data, short):
        own = [
            r["5000"][0] if "5000" in r else likelihood(r)
            for r in rows
            if (r["data"], r["model"]) == (data, name) and is_short(r) == short
        ]
        return f"{min(own):.2f}" if own else ""

    print("\nthe main rows\n")
    cells = [[LABELS[name], *(cell(name, *c) for c in columns.values())] for name in names]
    common.print_table(["prior", *columns], cells)


def advice(rows):
    """Prints which prior to choose when, with the rows of Fashion-MNIST, best first."""
    for short, title in ((True, "about ten minutes"), (False, "an hour or more")):
        print(f"\nwhich one to choose, after {title} of training\n")
        own = [r for r in rows if r["data"] == "fashion_mnist" and is_short(r) == short]
        common.print_table(
            ["prior", "nats", "epochs", "CPU minutes", "choose it when"],
            [
                [
                    LABELS[r["model"]],
                    f"{likelihood(r):.2f}",
                    r["epochs"],
                    r["train_cpu_minutes"],
                    ADVICE[r["model"]],
                ]
                for r in sorted(own, key=likelihood)
            ],
        )


def figure(rows, path):
    """Draws the negative log-likelihoods of Fashion-MNIST, best at the top."""
    own = [r for r in rows if r["data"] == "fashion_mnist"]
    own.sort(key=likelihood, reverse=True)
    drawing = Figure(figsize=(7, 0.32 * len(own) + 1.2), layout="constrained")
    axis = drawing.subplots()
    places = range(len(own))
    bounds, values = [r["elbo"][0] for r in own], [likelihood(r) for r in own]
    axis.hlines(places, values, bounds, color="#bbbbbb", zorder=1)
    axis.plot(bounds, places, "o", color="white", markeredgecolor="#0072B2", label="-ELBO")
    axis.plot(values, places, "o", color="#0072B2", label="importance-sampled")
    titles = [f"{LABELS[r['model']]} ({r['train_cpu_minutes']:.0f} min)" for r in own]
    axis.set_yticks(places, titles)
    axis.set(xlabel="-log p(x) on the Fashion-MNIST test set, nats (lower is better)")
    axis.grid(axis="x", color="#e6e6e6", linewidth=0.6)
    drawing.legend(frameon=False, loc="outside upper right", ncols=2)
    plotting.save(drawing, path)
