"""Mixtures whose draws carry gradients."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes

tfd = tfp.distributions


def mixture(logits, components):
    """A mixture of the components along the last batch axis, with gradients of its draws.

    Args:
        logits: `[*batch, num_components]`.
        components: distribution of batch shape `[*batch, num_components]`. The draws of a mixture
            of `tfd.MultivariateNormalTriL`, or of a `tfd.Independent` of continuous distributions,
            carry gradients to all parameters, the logits too; those of any other carry none.
    """
    tril = isinstance(components, tfd.MultivariateNormalTriL)
    factors = components.distribution if isinstance(components, tfd.Independent) else None
    continuous = getattr(factors, "reparameterization_type", None) == tfd.FULLY_REPARAMETERIZED
    kind = ReparameterizedMixture if tril or continuous else tfd.MixtureSameFamily
    return kind(tfd.Categorical(logits), components)


class ReparameterizedMixture(tfd.MixtureSameFamily):
    """A mixture with implicit gradients of its draws, of which each is made by one component.

    A draw z solves `F(z) = u`, where `F_i(z)` is the distribution function of `z_i` given the
    dimensions before it, and u is uniform. By the implicit function theorem its derivative is
    `-(dF/dz)^-1 dF`, with a triangular `dF/dz` that is only computed where a gradient is asked for.

    Reference:
        Figurnov et al., Implicit Reparameterization Gradients (2018), arXiv:1805.08498.
    """

    @property
    def reparameterization_type(self):
        return tfd.FULLY_REPARAMETERIZED

    def _sample_n(self, n, seed=None):
        which_seed, seed = tfp.random.split_seed(seed)
        which = self.mixture_distribution.sample(n, seed=which_seed)
        z = tf.stop_gradient(_chosen(self.components_distribution, which).sample(seed=seed))
        shape = tf.shape(z)
        rows = shapes.flatten(z, self.event_shape.rank)
        rows = tf.reshape(rows, [-1, rows.shape[-1]])

        def uniforms(rows):
            return tf.reshape(self._uniforms(tf.reshape(rows, shape)), tf.shape(rows))

        @tf.custom_gradient
        def solution(u):
            def gradient(upstream):
                with tf.GradientTape() as tape:
                    tape.watch(rows)
                    values = uniforms(rows)
                slopes = tape.batch_jacobian(values, rows)
                solved = tf.linalg.triangular_solve(slopes, upstream[..., None], adjoint=True)
                return -solved[..., 0]

            return tf.identity(rows), gradient

        return tf.reshape(solution(uniforms(rows)), shape)

    def _uniforms(self, z):
        """F(z), of the shape of z with the event flat."""
        rank = self.event_shape.rank
        cdf, log_prob = self._conditionals(tf.expand_dims(z, -1 - rank))
        cdf, log_prob = shapes.flatten(cdf, rank), shapes.flatten(log_prob, rank)
        before = tf.cumsum(log_prob, axis=-1, exclusive=True)
        logits = self.mixture_distribution.logits_parameter()[..., None] + before
        return tf.reduce_sum(tf.nn.softmax(logits, axis=-2) * cdf, axis=-2)

    def _conditionals(self, z):
        """Each component's distribution function and log-density of each dimension given those
        before it."""
        components = self.components_distribution
        if isinstance(components, tfd.Independent):
            factors = components.distribution
            return factors.cdf(z), factors.log_prob(z)
        tril, centered = components.scale_tril, (z - components.loc)[..., None]
        tril = tf.broadcast_to(tril, [*shapes.dims(centered)[:-1], tril.shape[-1]])
        standardised = tf.linalg.triangular_solve(tril, centered)[..., 0]
        normal = tfd.Normal(tf.zeros([], z.dtype), 1.0)
        log_prob = normal.log_prob(standardised) - tf.math.log(tf.linalg.diag_part(tril))
        return normal.cdf(standardised), log_prob


def _chosen(components, which):
    """The distribution of batch shape `[n, *batch]` of the components of indices of that shape."""
    if isinstance(components, tfd.Independent):
        chosen = _chosen(components.distribution, which)
        return tfd.Independent(chosen, components.reinterpreted_batch_ndims)
    batch_rank = which.shape.rank - 1
    which = tf.transpose(which, [*range(1, batch_rank + 1), 0])
    chosen = {}
    for name, about in components.parameter_properties().items():
        value = components.parameters[name]
        if value is None:
            continue
        value = tf.convert_to_tensor(value)
        own = shapes.dims(value)[value.shape.rank - about.event_ndims :]
        value = tf.broadcast_to(value, tf.concat([components.batch_shape_tensor(), own], 0))
        value = tf.gather(value, which, axis=batch_rank, batch_dims=batch_rank)
        rest = range(batch_rank + 1, value.shape.rank)
        chosen[name] = tf.transpose(value, [batch_rank, *range(batch_rank), *rest])
    return components.copy(**chosen)
