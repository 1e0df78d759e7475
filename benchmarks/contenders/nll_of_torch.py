"""An evaluator by hand in PyTorch."""

import math

import nll_sizes
import of_torch as by_hand
import torch
import turns
from torch.distributions import Normal
from torch.nn import functional


def main():
    x = torch.from_numpy(nll_sizes.images())
    encoder, decoder = by_hand.networks("mlp")
    chunk = nll_sizes.ROWS_AT_ONCE // len(x)

    def evaluate():
        q = Normal(*by_hand.normal(encoder(x)))
        p = Normal(0.0, 1.0)
        totals = []
        for _ in range(nll_sizes.SAMPLES // chunk):
            z = q.sample((chunk,))
            logits = decoder(z.flatten(0, 1)).view(chunk, *x.shape)
            target = x.expand_as(logits)
            nats = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
            log_w = (p.log_prob(z) - q.log_prob(z)).sum(-1) - nats.sum(-1)
            totals.append(torch.logsumexp(log_w, 0))
        return torch.logsumexp(torch.stack(totals), 0) - math.log(nll_sizes.SAMPLES)

    with torch.inference_mode():
        turns.take(evaluate)


if __name__ == "__main__":
    main()
