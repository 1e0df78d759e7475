"""Flows as a composition of bijector layers."""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae.bijectors.mixing import ActNorm, LinearMixing, Permutation, random_orders
from tfcvae.sampling import has_rows

tfb, tfd = tfp.bijectors, tfp.distributions


@keras.saving.register_keras_serializable("tfcvae")
class Chain(keras.layers.Layer):
    """Composes bijector layers; the first is the one next to the base.

    Args:
        steps: sequence of bijector layers.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, steps, **kwargs):
        super().__init__(**kwargs)
        self.steps = list(steps)

    def build(self, context_shape=None):
        for step in self.steps:
            if not step.built:
                step.build(context_shape)

    def call(self, context=None):
        return tfb.Chain([step(context) for step in reversed(self.steps)])

    def initialize(self, z, context=None):
        """Initialises every `ActNorm` from z `[rows, event_size]`, nearest to z first."""
        for step in reversed(self.steps):
            if isinstance(step, ActNorm):
                step.initialize(z)
            z = step(context).inverse(z)

    def get_config(self):
        steps = [keras.saving.serialize_keras_object(step) for step in self.steps]
        return {**super().get_config(), "steps": steps}

    @classmethod
    def from_config(cls, config):
        steps = [keras.saving.deserialize_keras_object(step) for step in config["steps"]]
        return cls(**{**config, "steps": steps})


MIXING = ("linear", "permutation")


def flow(make_step, event_size, num_steps, mixing="permutation", actnorm=False, dtype=None):
    """A `Chain` of steps with a mixing of the dimensions before each step but the first.

    Args:
        make_step: function from a name to a bijector layer.
        event_size: int, the number of dimensions.
        num_steps: int.
        mixing: `"permutation"`, in fixed random orders which see to it that every dimension is
            transformed, or `"linear"`, by learned matrices.
        actnorm: bool; `True` puts an `ActNorm` after each step.
        dtype: dtype of the weights.

    Raises:
        ValueError: if `mixing` is unknown.
    """
    if mixing not in MIXING:
        raise ValueError(f"Argument `mixing` must be one of {MIXING}. Received: mixing={mixing!r}")
    steps = [make_step(f"step_{i}") for i in range(num_steps)]
    orders = random_orders(event_size, steps[0].num_passive, num_steps - 1)
    layers = []
    for i, step in enumerate(steps):
        if i > 0 and mixing == "linear":
            layers.append(LinearMixing(event_size, seed=i, dtype=dtype, name=f"mixing_{i}"))
        elif i > 0:
            layers.append(Permutation(next(orders), dtype=dtype, name=f"mixing_{i}"))
        layers.append(step)
        if actnorm:
            layers.append(ActNorm(event_size, dtype=dtype, name=f"actnorm_{i}"))
    return Chain(layers, dtype=dtype, name="flow")


def transformed(base, bijector, context=None):
    """The distribution of a base pushed through a bijector.

    The base and the points of a density get the rows of the context, where they lack them: the
    loops and halves of TFP's bijectors keep the shape of their points.
    """
    if context is None:
        return tfd.TransformedDistribution(base, bijector)
    if not has_rows(base):
        base = tfd.BatchBroadcast(base, with_shape=tf.shape(context)[:-1])
    rows = tfb.Inline(
        forward_fn=tf.identity,
        inverse_fn=lambda z: z + tf.zeros_like(context[..., :1], z.dtype),
        forward_log_det_jacobian_fn=tf.zeros_like,
        forward_min_event_ndims=0,
        is_constant_jacobian=True,
    )
    return tfd.TransformedDistribution(base, tfb.Chain([rows, bijector]))
