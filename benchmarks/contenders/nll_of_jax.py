"""An evaluator by hand in JAX."""

import functools

import jax
import nll_sizes
import numpy as np
import of_jax as by_hand
import optax
import turns
from jax import numpy as jnp
from jax.scipy.special import logsumexp
from jax.scipy.stats import norm


def main():
    x = jnp.asarray(nll_sizes.images())
    weights, encode, decode = by_hand.mlp_vae(np.random.default_rng(0))
    chunk = nll_sizes.ROWS_AT_ONCE // len(x)
    chunks = nll_sizes.SAMPLES // chunk

    @jax.jit
    def evaluate(weights, x, key):
        mean, scale = by_hand.normal(encode(weights, x))

        def total(key):
            z = mean + scale * jax.random.normal(key, (chunk, *mean.shape))
            nats = optax.sigmoid_binary_cross_entropy(decode(weights, z), x).sum(-1)
            log_ratio = norm.logpdf(z) - norm.logpdf(z, mean, scale)
            return logsumexp(log_ratio.sum(-1) - nats, axis=0)

        totals = jax.lax.map(total, jax.random.split(key, chunks))
        return logsumexp(totals, axis=0) - jnp.log(nll_sizes.SAMPLES)

    work = functools.partial(evaluate, weights, x, jax.random.key(0))
    turns.take(lambda: work().block_until_ready())


if __name__ == "__main__":
    main()
