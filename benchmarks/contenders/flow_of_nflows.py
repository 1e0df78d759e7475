"""A flow of nflows: KIND DIMENSION STEPS log_prob|sample."""

import flow_sizes
import torch
import turns
from nflows import transforms
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from torch import nn


class Network(nn.Module):
    """The network of a coupling, as it is in the other packages: two hidden layers."""

    def __init__(self, inputs, outputs):
        super().__init__()
        sides = (inputs, *flow_sizes.HIDDEN)
        hidden = [m for pair in zip(sides, sides[1:]) for m in (nn.Linear(*pair), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(sides[-1], outputs))

    def forward(self, inputs, context=None):
        return self.layers(inputs)


def step(kind, dimension, number):
    """One step; nflows counts blocks where the others count hidden layers."""
    width = {"hidden_features": flow_sizes.HIDDEN[0], "num_blocks": 1, "use_residual_blocks": False}
    spline = {"num_bins": flow_sizes.BINS, "tails": "linear", "tail_bound": flow_sizes.TAIL}
    if kind == "maf":
        return transforms.MaskedAffineAutoregressiveTransform(dimension, **width)
    if kind == "nsf-autoregressive":
        return transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            features=dimension, **width, **spline
        )
    mask = (torch.arange(dimension) + number) % 2
    if kind == "real_nvp":
        return transforms.AffineCouplingTransform(mask, Network)
    return transforms.PiecewiseRationalQuadraticCouplingTransform(mask, Network, **spline)


def main():
    kind, dimension, steps, direction = flow_sizes.arguments()
    layers = [step(kind, dimension, number) for number in range(steps)]
    mixed = [t for layer in layers for t in (layer, transforms.RandomPermutation(dimension))]
    model = Flow(transforms.CompositeTransform(mixed), StandardNormal([dimension]))
    z = torch.from_numpy(flow_sizes.points(dimension))
    with torch.inference_mode():
        if direction == "log_prob":
            turns.repeat(lambda: model.log_prob(z))
        turns.repeat(lambda: model.sample(flow_sizes.ROWS))


if __name__ == "__main__":
    main()
