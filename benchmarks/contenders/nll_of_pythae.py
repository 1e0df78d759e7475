"""Pythae's `get_nll`: nll_of_pythae.py BATCH_SIZE."""

import sys

import nll_sizes
import of_pythae
import torch
import turns


def main():
    x = torch.from_numpy(nll_sizes.images())
    model = of_pythae.vae("mlp").eval()
    with torch.inference_mode():
        turns.take(lambda: model.get_nll(x, nll_sizes.SAMPLES, int(sys.argv[1])))


if __name__ == "__main__":
    main()
