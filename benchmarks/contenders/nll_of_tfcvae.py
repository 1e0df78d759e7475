"""`evaluation.log_likelihood`: nll_of_tfcvae.py [SAMPLES]."""

import sys

import nll_sizes
import of_tfcvae
import turns

from tfcvae import evaluation


def main():
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else nll_sizes.SAMPLES
    x = nll_sizes.images()
    model = of_tfcvae.vae("mlp")
    model.build((None, *x.shape[1:]))
    turns.take(lambda: evaluation.log_likelihood(model, x, samples, verbose=0))


if __name__ == "__main__":
    main()
