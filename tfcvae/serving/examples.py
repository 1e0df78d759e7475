"""Requests and their answers, recorded when a model is exported."""

import numpy as np
import tensorflow as tf

from tfcvae.models import VAE

ROWS = 2
SEED = (0, 1)


def example_inputs(model, signatures):
    """Inputs of every signature: data that the model itself draws.

    Args:
        model: a built `tfcvae.VAE` or `tfcvae.CVAE`.
        signatures: dict of pairs of function and input specs.

    Returns:
        Dict of dicts of arrays by signature and input.
    """
    rng = np.random.default_rng(0)
    values = {
        "seed": np.array(SEED, "int32"),
        "num_samples": np.array(3, "int32"),
        "noise": rng.standard_normal((ROWS, *model.prior.event_shape)).astype("float32"),
    }
    if isinstance(model, VAE):
        values["x"] = np.asarray(model.sample(ROWS, seed=SEED))
        values["z"] = np.asarray(model.prior_distribution().sample(ROWS, seed=SEED))
    else:
        shape = model.get_build_config()["input_shape"][1:]
        values["x"] = rng.random((ROWS, *shape)).astype("float32") if shape else np.arange(ROWS)
        values["y"] = np.asarray(model.sample(values["x"], 1, seed=SEED)[0])
    rows = {**values, "seed": np.arange(ROWS, dtype="int32")}
    return {
        name: {
            spec.name: (rows if name == "generate_rows" else values)[spec.name].astype(
                spec.dtype.as_numpy_dtype
            )
            for spec in specs
        }
        for name, (_, specs) in signatures.items()
    }


def record(path, inputs):
    """The answers of a SavedModel to example inputs.

    Returns:
        Dict of arrays by `SIGNATURE/inputs/NAME` and `SIGNATURE/outputs/NAME`.
    """
    loaded = tf.saved_model.load(str(path))
    recorded = {}
    for name, arguments in inputs.items():
        outputs = loaded.signatures[name](**{k: tf.constant(v) for k, v in arguments.items()})
        recorded.update({f"{name}/inputs/{k}": v for k, v in arguments.items()})
        recorded.update({f"{name}/outputs/{k}": v.numpy() for k, v in outputs.items()})
    return recorded
