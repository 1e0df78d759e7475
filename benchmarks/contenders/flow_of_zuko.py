"""A flow of zuko: KIND DIMENSION STEPS log_prob|sample."""

import flow_sizes
import torch
import turns
import zuko


def flow(kind, dimension, steps):
    """The flow; zuko's neural spline flow with two passes has couplings."""
    arguments = {"transforms": steps, "hidden_features": flow_sizes.HIDDEN}
    if kind == "real_nvp":
        return zuko.flows.RealNVP(dimension, **arguments)
    if kind == "maf":
        return zuko.flows.MAF(dimension, **arguments)
    passes = None if kind.endswith("autoregressive") else 2
    return zuko.flows.NSF(dimension, bins=flow_sizes.BINS, passes=passes, **arguments)


def main():
    kind, dimension, steps, direction = flow_sizes.arguments()
    model = flow(kind, dimension, steps)
    z = torch.from_numpy(flow_sizes.points(dimension))
    with torch.inference_mode():
        if direction == "log_prob":
            turns.repeat(lambda: model().log_prob(z))
        turns.repeat(lambda: model().sample((flow_sizes.ROWS,)))


if __name__ == "__main__":
    main()
