"""A training loop by hand in PyTorch: of_torch.py WORKLOAD."""

import sys

import sizes
import torch
import turns
from torch import nn
from torch.nn import functional


def networks(workload):
    """Encoder and decoder of a VAE."""
    if workload == "mlp":
        return (
            mlp(sizes.PIXELS, 2 * sizes.LATENTS, sizes.HIDDEN),
            mlp(sizes.LATENTS, sizes.PIXELS, sizes.HIDDEN),
        )
    first, last = sizes.FILTERS
    convolution = {"kernel_size": sizes.KERNEL, "stride": 2, "padding": 1}
    return (
        nn.Sequential(
            nn.Conv2d(1, first, **convolution),
            nn.ReLU(),
            nn.Conv2d(first, last, **convolution),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(49 * last, sizes.FEATURES),
            nn.ReLU(),
            nn.Linear(sizes.FEATURES, 2 * sizes.LATENTS),
        ),
        nn.Sequential(
            nn.Linear(sizes.LATENTS, 49 * last),
            nn.ReLU(),
            nn.Unflatten(1, (last, 7, 7)),
            nn.ConvTranspose2d(last, last, output_padding=1, **convolution),
            nn.ReLU(),
            nn.ConvTranspose2d(last, first, output_padding=1, **convolution),
            nn.ReLU(),
            nn.Conv2d(first, 1, 1),
        ),
    )


def mlp(inputs, outputs, hidden):
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


def normal(raw):
    """Mean and standard deviation."""
    mean, scale = raw.chunk(2, -1)
    return mean, functional.softplus(scale) + 1e-5


def bits(logits, target):
    """The negative log-likelihood of independent bits, summed over them and averaged over rows."""
    nats = functional.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    return nats / len(target)


def kl(q, p):
    """The KL divergence of two diagonal normal distributions, averaged over rows."""
    (m, s), (n, t) = q, p
    nats = torch.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    return nats.sum(-1).mean()


def loss_of(workload):
    """The parameters and the negative ELBO of a batch."""
    if workload == "cvae":
        latents, targets, hidden = sizes.CVAE_LATENTS, sizes.CVAE_TARGETS, sizes.CVAE_HIDDEN
        recognition = mlp(sizes.PIXELS + targets, 2 * latents, hidden)
        prior = mlp(sizes.PIXELS, 2 * latents, hidden)
        generation = mlp(sizes.PIXELS + latents, targets, hidden)
        models = (recognition, prior, generation)

        def loss(x):
            y = x[:, :targets]
            q, p = normal(recognition(torch.cat([x, y], -1))), normal(prior(x))
            z = q[0] + q[1] * torch.randn_like(q[0])
            return bits(generation(torch.cat([x, z], -1)), y) + kl(q, p)
    else:
        encoder, decoder = models = networks(workload)
        standard = torch.tensor(0.0), torch.tensor(1.0)

        def loss(x):
            q = normal(encoder(x))
            z = q[0] + q[1] * torch.randn_like(q[0])
            return bits(decoder(z), x) + kl(q, standard)

    return [p for model in models for p in model.parameters()], loss


def main():
    workload = sys.argv[1]
    batch_size = sizes.batch_size(workload)
    x = torch.from_numpy(sizes.images(workload))
    if workload == "conv":
        x = x.permute(0, 3, 1, 2).contiguous()
    parameters, loss = loss_of(workload)
    optimizer = torch.optim.Adam(parameters, 1e-3)

    def epoch():
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad(set_to_none=True)
            loss(x[rows]).backward()
            optimizer.step()

    turns.take(epoch)


if __name__ == "__main__":
    main()
