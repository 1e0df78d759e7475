"""A training loop by hand in JAX: of_jax.py WORKLOAD step|scan.

`step` calls one jitted step after another; `scan` jits an epoch.
"""

import functools
import sys

import jax
import numpy as np
import optax
import sizes
import turns
from jax import numpy as jnp


def dense(rng, inputs, outputs):
    """Glorot uniform weights, and biases of 0."""
    limit = np.sqrt(6 / (inputs + outputs))
    weights = rng.uniform(-limit, limit, (inputs, outputs)).astype("float32")
    return weights, np.zeros(outputs, "float32")


def mlp(rng, inputs, outputs, hidden):
    """The weights of two hidden layers and an output."""
    sides = (inputs, hidden, hidden, outputs)
    return [dense(rng, *pair) for pair in zip(sides, sides[1:])]


def apply_mlp(layers, h):
    """The output of a network of `mlp`."""
    for w, b in layers[:-1]:
        h = jax.nn.relu(h @ w + b)
    w, b = layers[-1]
    return h @ w + b


def convolution(rng, inputs, outputs):
    """The weights of a convolution, HWIO."""
    side = sizes.KERNEL
    limit = np.sqrt(6 / (side * side * (inputs + outputs)))
    weights = rng.uniform(-limit, limit, (side, side, inputs, outputs)).astype("float32")
    return weights, np.zeros(outputs, "float32")


def conv_vae(rng):
    """The weights of the convolutional VAE, and its encoder and decoder."""
    first, last = sizes.FILTERS
    weights = {
        "down": [convolution(rng, 1, first), convolution(rng, first, last)],
        "features": [
            dense(rng, 49 * last, sizes.FEATURES),
            dense(rng, sizes.FEATURES, 2 * sizes.LATENTS),
        ],
        "start": dense(rng, sizes.LATENTS, 49 * last),
        "up": [convolution(rng, last, last), convolution(rng, last, first)],
        "pixels": dense(rng, first, 1),
    }
    numbers = ("NHWC", "HWIO", "NHWC")

    def encode(weights, h):
        for w, b in weights["down"]:
            h = jax.lax.conv_general_dilated(h, w, (2, 2), "SAME", dimension_numbers=numbers)
            h = jax.nn.relu(h + b)
        return apply_mlp(weights["features"], h.reshape(len(h), -1))

    def decode(weights, z):
        w, b = weights["start"]
        h = jax.nn.relu(z @ w + b).reshape(-1, 7, 7, last)
        for w, b in weights["up"]:
            h = jax.nn.relu(
                jax.lax.conv_transpose(h, w, (2, 2), "SAME", dimension_numbers=numbers) + b
            )
        w, b = weights["pixels"]
        return h @ w + b

    return weights, encode, decode


def mlp_vae(rng):
    """The weights of the fully connected VAE, and its encoder and decoder."""
    weights = {
        "encoder": mlp(rng, sizes.PIXELS, 2 * sizes.LATENTS, sizes.HIDDEN),
        "decoder": mlp(rng, sizes.LATENTS, sizes.PIXELS, sizes.HIDDEN),
    }
    return (
        weights,
        lambda w, x: apply_mlp(w["encoder"], x),
        lambda w, z: apply_mlp(w["decoder"], z),
    )


def normal(raw):
    """Mean and standard deviation."""
    mean, scale = jnp.split(raw, 2, -1)
    return mean, jax.nn.softplus(scale) + 1e-5


def draw(q, key):
    """A reparameterized draw."""
    return q[0] + q[1] * jax.random.normal(key, q[0].shape)


def bits(logits, target):
    """The negative log-likelihood of independent bits, summed over them and averaged over rows."""
    return optax.sigmoid_binary_cross_entropy(logits, target).sum() / len(target)


def kl(q, p):
    """The KL divergence of two diagonal normal distributions, averaged over rows."""
    (m, s), (n, t) = q, p
    return (jnp.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5).sum(-1).mean()


def loss_of(workload):
    """The weights and the negative ELBO of a batch."""
    rng = np.random.default_rng(0)
    if workload == "cvae":
        latents, targets, hidden = sizes.CVAE_LATENTS, sizes.CVAE_TARGETS, sizes.CVAE_HIDDEN
        weights = {
            "recognition": mlp(rng, sizes.PIXELS + targets, 2 * latents, hidden),
            "prior": mlp(rng, sizes.PIXELS, 2 * latents, hidden),
            "generation": mlp(rng, sizes.PIXELS + latents, targets, hidden),
        }

        def loss(weights, x, key):
            y = x[:, :targets]
            q = normal(apply_mlp(weights["recognition"], jnp.concatenate([x, y], -1)))
            p = normal(apply_mlp(weights["prior"], x))
            z = draw(q, key)
            logits = apply_mlp(weights["generation"], jnp.concatenate([x, z], -1))
            return bits(logits, y) + kl(q, p)

        return weights, loss
    weights, encode, decode = mlp_vae(rng) if workload == "mlp" else conv_vae(rng)

    def loss(weights, x, key):
        q = normal(encode(weights, x))
        return bits(decode(weights, draw(q, key)), x) + kl(q, (0.0, 1.0))

    return weights, loss


def main():
    workload, mode = sys.argv[1:]
    batch_size = sizes.batch_size(workload)
    x = jnp.asarray(sizes.images(workload))
    weights, loss = loss_of(workload)
    optimizer = optax.adam(1e-3)
    steps = len(x) // batch_size
    state = (weights, optimizer.init(weights), jax.random.key(0))

    def step(x, state, rows):
        weights, moments, key = state
        key, own = jax.random.split(key)
        value, gradients = jax.value_and_grad(loss)(weights, x[rows], own)
        updates, moments = optimizer.update(gradients, moments)
        return (optax.apply_updates(weights, updates), moments, key), value

    def scan(x, state, order):
        return jax.lax.scan(functools.partial(step, x), state, order)

    one_step = jax.jit(step, donate_argnums=1)
    all_steps = jax.jit(scan, donate_argnums=1)

    def epoch():
        nonlocal state
        order = np.random.permutation(steps * batch_size).reshape(steps, batch_size)
        if mode == "scan":
            state, values = all_steps(x, state, order)
        else:
            for rows in order:
                state, values = one_step(x, state, rows)
        jax.block_until_ready(state)

    turns.take(epoch)


if __name__ == "__main__":
    main()
