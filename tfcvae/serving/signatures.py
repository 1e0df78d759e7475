"""The named functions of an exported model.

Each is a pair of a function of named tensors that returns a dict of tensors, and the names and
specs of its inputs. Randomness enters through the input `seed` alone, an int32 pair, and the same
pair gives the same draw from the Python method of the same name.
"""

import tensorflow as tf

from tfcvae.layers import center

_SEED = tf.TensorSpec([2], tf.int32, name="seed")
_NUM_SAMPLES = tf.TensorSpec([], tf.int32, name="num_samples")


def vae_signatures(model):
    """The signatures of a `tfcvae.VAE`, the default one first."""
    x = _spec("x", model.decoder.event_shape)
    z = _spec("z", model.encoder.event_shape)

    def generate(num_samples, seed):
        return {
            "samples": model.sample(num_samples, seed=seed),
            "means": model.sample(num_samples, seed=seed, mean=True),
        }

    def log_prob(x, num_samples, seed):
        return {"log_prob": model.log_prob(x, num_samples, seed)}

    return {
        "reconstruct": (lambda x: {"reconstruction": model.reconstruct(x)}, [x]),
        "encode": (lambda x: _moments(model.encode(x)), [x]),
        "decode": (lambda z: {"mean": center(model.decode(z))}, [z]),
        "generate": (generate, [_NUM_SAMPLES, _SEED]),
        "log_prob": (log_prob, [x, _NUM_SAMPLES, _SEED]),
    }


def cvae_signatures(model):
    """The signatures of a `tfcvae.CVAE`, the default one first."""
    x = _spec("x", model.get_build_config()["input_shape"][1:])
    y = _spec("y", model.generation.event_shape)

    def generate(x, num_samples, seed):
        return {
            "samples": _batch_first(model.sample(x, num_samples, seed=seed)),
            "means": _batch_first(model.sample(x, num_samples, seed=seed, mean=True)),
        }

    def log_prob(x, y, num_samples, seed):
        return {"log_prob": model.log_prob(x, y, num_samples, seed=seed)}

    signatures = {
        "predict": (lambda x: {"prediction": model(x, training=False)}, [x]),
        "generate": (generate, [x, _NUM_SAMPLES, _SEED]),
        "log_prob": (log_prob, [x, y, _NUM_SAMPLES, _SEED]),
    }
    if model.recognition is not None:
        signatures["recognize"] = (lambda x, y: _moments(model.recognize(x, y)), [x, y])
    return signatures


def _spec(name, shape):
    """The spec of a batch: integer labels if it has no further axis, float32 otherwise."""
    return tf.TensorSpec([None, *shape], tf.float32 if len(shape) else tf.int32, name=name)


def _moments(distribution):
    """Mean and standard deviation, or the center where there is no closed form."""
    try:
        return {"mean": distribution.mean(), "stddev": distribution.stddev()}
    except NotImplementedError:
        return {"center": center(distribution)}


def _batch_first(samples):
    return tf.transpose(samples, [1, 0, *range(2, samples.shape.rank)])
