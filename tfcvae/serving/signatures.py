"""The named functions of an exported model.

Each is a pair of a function of named tensors that returns a dict of tensors, and the specs of its
inputs. Randomness enters through the input `seed` alone, and the same seed gives the same draw from
the Python method of the same name.
"""

import tensorflow as tf

from tfcvae.layers import center
from tfcvae.serving.noise import can_transport, transport

_SEED = tf.TensorSpec([2], tf.int32, name="seed")
_SEEDS = tf.TensorSpec([None], tf.int32, name="seed")
_NUM_SAMPLES = tf.TensorSpec([], tf.int32, name="num_samples")


def vae_signatures(model):
    """The signatures of a `tfcvae.VAE`, the default one first."""
    x = batch_spec("x", model.decoder.event_shape)
    z = batch_spec("z", model.encoder.event_shape)
    noise = batch_spec("noise", model.encoder.event_shape)

    def generate(num_samples, seed):
        samples, means = _draws(model, num_samples, seed)
        return {"samples": samples, "means": means}

    def generate_row(seed):
        samples, means = _draws(model, 1, seed)
        return samples[0], means[0]

    def log_prob(x, num_samples, seed):
        return {"log_prob": model.log_prob(x, num_samples, seed)}

    def decode_noise(noise):
        z = tf.ensure_shape(transport(model.prior_distribution(), noise), noise.shape)
        return {"mean": center(model.decode(z))}

    signatures = {
        "reconstruct": (lambda x: {"reconstruction": model.reconstruct(x)}, [x]),
        "encode": (lambda x: _moments(model.encode(x)), [x]),
        "decode": (lambda z: {"mean": center(model.decode(z))}, [z]),
        "generate": (generate, [_NUM_SAMPLES, _SEED]),
        "generate_rows": (lambda seed: _rows(generate_row, seed), [_SEEDS]),
        "log_prob": (log_prob, [x, _NUM_SAMPLES, _SEED]),
    }
    if can_transport(model.prior_distribution()):
        signatures["decode_noise"] = (decode_noise, [noise])
    return signatures


def cvae_signatures(model):
    """The signatures of a `tfcvae.CVAE`, the default one first."""
    x = batch_spec("x", model.get_build_config()["input_shape"][1:])
    y = batch_spec("y", model.generation.event_shape)

    def generate(x, num_samples, seed):
        samples, means = _draws(model, x, num_samples, seed)
        return {"samples": _batch_first(samples), "means": _batch_first(means)}

    def generate_row(seed, x):
        samples, means = _draws(model, x[None], 1, seed)
        return samples[0, 0], means[0, 0]

    def log_prob(x, y, num_samples, seed):
        return {"log_prob": model.log_prob(x, y, num_samples, seed=seed)}

    signatures = {
        "predict": (lambda x: {"prediction": model(x, training=False)}, [x]),
        "generate": (generate, [x, _NUM_SAMPLES, _SEED]),
        "generate_rows": (lambda x, seed: _rows(generate_row, seed, x), [x, _SEEDS]),
        "log_prob": (log_prob, [x, y, _NUM_SAMPLES, _SEED]),
    }
    if model.recognition is not None:
        signatures["recognize"] = (lambda x, y: _moments(model.recognize(x, y)), [x, y])
    return signatures


def batch_spec(name, shape):
    """The spec of a batch: integer labels if it has no further axis, float32 otherwise."""
    return tf.TensorSpec([None, *shape], tf.float32 if len(shape) else tf.int32, name=name)


def _draws(model, *arguments):
    """What `sample` returns without and with `mean=True`, from one evaluation of the networks."""
    likelihood, seed = model._likelihood_of_draws(*arguments)
    return likelihood.sample(seed=seed), center(likelihood)


def _moments(distribution):
    """Mean and standard deviation, or the center where there is no closed form."""
    try:
        return {"mean": distribution.mean(), "stddev": distribution.stddev()}
    except NotImplementedError:
        return {"center": center(distribution)}


def _batch_first(samples):
    return tf.transpose(samples, [1, 0, *range(2, samples.shape.rank)])


def _rows(generate_row, seed, *inputs):
    """One draw for each row and its own seed, whatever the other rows are."""
    pairs = tf.stack([tf.zeros_like(seed), seed], 1)
    arguments = (pairs, *inputs)
    outputs = tf.nest.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
        generate_row(*(argument[0] for argument in arguments)),
    )
    rows = tf.map_fn(lambda row: generate_row(*row), arguments, fn_output_signature=outputs)
    return dict(zip(("sample", "mean"), rows))
