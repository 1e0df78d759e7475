"""The models and the data that all contenders share."""

PIXELS = 784
LATENTS = 32
HIDDEN = 512
BATCH = 128
ROWS = {"mlp": 12_800, "conv": 2_560, "cvae": 20_000}
FILTERS = (32, 64)
KERNEL = 3
FEATURES = 256

CVAE_BATCH = 200
CVAE_HIDDEN = 500
CVAE_LATENTS = 50
CVAE_TARGETS = 588


def batch_size(workload):
    """The rows of a batch."""
    return CVAE_BATCH if workload == "cvae" else BATCH


def images(workload):
    """Random binary images, `[rows, 784]` or `[rows, 28, 28, 1]`, float32."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = (rng.random((ROWS[workload], PIXELS)) < 0.3).astype("float32")
    return x.reshape(-1, 28, 28, 1) if workload == "conv" else x
