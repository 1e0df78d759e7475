"""What every evaluator estimates: the log-likelihood of IMAGES under the VAE of `sizes`."""

IMAGES = 50
SAMPLES = 5000
ROWS_AT_ONCE = 2000


def images(number=IMAGES):
    """Random binary images."""
    import sizes

    return sizes.images("mlp")[:number]
