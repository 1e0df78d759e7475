"""Mixtures whose draws carry gradients."""

import math

import tensorflow as tf
import tensorflow_probability as tfp

from tfcvae import shapes

tfd = tfp.distributions


def mixture(logits, components):
    """A mixture of the components along the last batch axis, with gradients of its draws.

    Args:
        logits: `[*batch, num_components]`.
        components: distribution of batch shape `[*batch, num_components]`. The draws of a mixture
            of `tfd.MultivariateNormalTriL`, or of a `tfd.Independent` of continuous distributions
            whose parameters are tensors, carry gradients to all of them, the logits too; those of
            any other are made by TFP.
    """
    is_known = isinstance(components, tfd.MultivariateNormalTriL)
    if isinstance(components, tfd.Independent):
        factors = components.distribution
        is_known = factors.reparameterization_type == tfd.FULLY_REPARAMETERIZED and all(
            about.is_tensor for about in factors.parameter_properties().values()
        )
    kind = ReparameterizedMixture if is_known else tfd.MixtureSameFamily
    return kind(tfd.Categorical(logits), components)


class ReparameterizedMixture(tfd.MixtureSameFamily):
    """A mixture with implicit gradients of its draws, of which each is made by one component.

    A draw z solves `F(z) = u`, where `F_i(z)` is the distribution function of `z_i` given the
    dimensions before it, and u is uniform. By the implicit function theorem its derivative is
    `-(dF/dz)^-1 dF`, with a triangular `dF/dz`. All components are only computed where a gradient
    is asked for.

    Reference:
        Figurnov et al., Implicit Reparameterization Gradients (2018), arXiv:1805.08498.
    """

    @property
    def reparameterization_type(self):
        return tfd.FULLY_REPARAMETERIZED

    def _log_prob(self, z):
        components = self.components_distribution
        factors = _factors(components)
        is_vector = len(self.batch_shape) == 0 and len(self.event_shape) == 1
        log_probs = {tfd.Normal: _log_probs, tfd.MultivariateNormalTriL: _full_log_probs}
        if not is_vector or type(factors) not in log_probs:
            return super()._log_prob(z)
        weights = tf.nn.log_softmax(self.mixture_distribution.logits_parameter())
        return tf.reduce_logsumexp(weights + log_probs[type(factors)](factors, z), axis=-1)

    def _sample_n(self, n, seed=None):
        which_seed, seed = tfp.random.split_seed(seed)
        which = self.mixture_distribution.sample(n, seed=which_seed)
        logits = self.mixture_distribution.logits_parameter()
        components = self.components_distribution
        parameters = _parameters(components, tf.shape(logits))
        chosen = {name: _chosen(value, which) for name, value in parameters.items()}
        z = tf.stop_gradient(_remade(components, chosen).sample(seed=seed))

        @tf.custom_gradient
        def solution(logits, *values):
            def gradient(upstream):
                rank = self.event_shape.rank
                rows = shapes.flatten(z, rank)
                rows = tf.reshape(rows, [-1, rows.shape[-1]])
                with tf.GradientTape(persistent=True) as tape:
                    tape.watch([rows, logits, *values])
                    remade = _remade(components, dict(zip(parameters, values)))
                    uniforms = _uniforms(logits, remade, tf.reshape(rows, tf.shape(z)), rank)
                    uniforms = tf.reshape(uniforms, tf.shape(rows))
                slopes = tape.batch_jacobian(uniforms, rows)
                upstream = tf.reshape(upstream, tf.shape(rows))[..., None]
                solved = tf.linalg.triangular_solve(slopes, upstream, adjoint=True)
                return tape.gradient(
                    uniforms, [logits, *values], -solved[..., 0], tf.UnconnectedGradients.ZERO
                )

            return tf.identity(z), gradient

        return solution(logits, *parameters.values())


def _log_probs(normals, z):
    """The log-densities `[..., num_components]` of vectors of normals `[num_components, size]`.

    By products of matrices, of memory for each pair of a point and a component instead of each
    triple with a dimension. They are in float64 since the expanded squares cancel each other.
    """
    shape = normals.batch_shape_tensor()
    loc, scale = (
        tf.broadcast_to(tf.cast(p, tf.float64), shape) for p in (normals.loc, normals.scale)
    )
    precision = scale**-2
    rows = tf.reshape(tf.cast(z, tf.float64), [-1, z.shape[-1]])
    squares = tf.matmul(rows**2, precision, transpose_b=True)
    squares -= 2.0 * tf.matmul(rows, loc * precision, transpose_b=True)
    squares += tf.reduce_sum(loc**2 * precision, -1)
    constant = tf.reduce_sum(tf.math.log(scale) + 0.5 * math.log(2.0 * math.pi), -1)
    log_probs = tf.cast(-0.5 * squares - constant, z.dtype)
    return tf.reshape(log_probs, [*shapes.dims(z)[:-1], shape[0]])


def _full_log_probs(normals, z):
    """The log-densities `[..., num_components]` of vectors, of normals with full covariances.

    Each Cholesky factor is inverted once instead of being solved for every point.
    """
    tril = normals.scale_tril
    inverses = tf.linalg.triangular_solve(tril, tf.eye(z.shape[-1], dtype=z.dtype))
    standardised = tf.einsum("kij,...kj->...ki", inverses, z[..., None, :] - normals.loc)
    constant = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(tril)), -1)
    constant += 0.5 * z.shape[-1] * math.log(2.0 * math.pi)
    return -0.5 * tf.reduce_sum(standardised**2, -1) - constant


def _uniforms(logits, components, z, event_rank):
    """F(z), of the shape of z with the event flat."""
    cdf, log_prob = _conditionals(components, tf.expand_dims(z, -1 - event_rank))
    cdf, log_prob = shapes.flatten(cdf, event_rank), shapes.flatten(log_prob, event_rank)
    before = tf.cumsum(log_prob, axis=-1, exclusive=True)
    return tf.reduce_sum(tf.nn.softmax(logits[..., None] + before, axis=-2) * cdf, axis=-2)


def _conditionals(components, z):
    """Each component's distribution function and log-density of each dimension given those before
    it."""
    if isinstance(components, tfd.Independent):
        factors = components.distribution
        return factors.cdf(z), factors.log_prob(z)
    tril, centered = components.scale_tril, (z - components.loc)[..., None]
    tril = tf.broadcast_to(tril, [*shapes.dims(centered)[:-1], tril.shape[-1]])
    standardised = tf.linalg.triangular_solve(tril, centered)[..., 0]
    normal = tfd.Normal(tf.zeros([], z.dtype), 1.0)
    log_prob = normal.log_prob(standardised) - tf.math.log(tf.linalg.diag_part(tril))
    return normal.cdf(standardised), log_prob


def _factors(components):
    return components.distribution if isinstance(components, tfd.Independent) else components


def _parameters(components, batch_shape):
    """The parameters of the components by name, of the batch shape and whatever follows it."""
    factors = _factors(components)
    event = factors.batch_shape_tensor()[len(components.batch_shape) :]
    parameters = {}
    for name, about in factors.parameter_properties().items():
        value = factors.parameters[name]
        if value is not None:
            value = tf.convert_to_tensor(value)
            own = tf.shape(value)[value.shape.rank - about.event_ndims :]
            parameters[name] = tf.broadcast_to(value, tf.concat([batch_shape, event, own], 0))
    return parameters


def _chosen(values, which):
    """The `[n, *batch, ...]` of the components of indices `[n, *batch]`."""
    batch_rank = which.shape.rank - 1
    which = tf.transpose(which, [*range(1, batch_rank + 1), 0])
    values = tf.gather(values, which, axis=batch_rank, batch_dims=batch_rank)
    rest = range(batch_rank + 1, values.shape.rank)
    return tf.transpose(values, [batch_rank, *range(batch_rank), *rest])


def _remade(components, parameters):
    """The same kind of distribution with other parameters."""
    factors = _factors(components).copy(**parameters)
    if not isinstance(components, tfd.Independent):
        return factors
    return tfd.Independent(factors, components.reinterpreted_batch_ndims)
