"""A training loop by hand in TensorFlow: of_tensorflow.py WORKLOAD graph|xla|epoch.

`graph` and `xla` call one compiled step after another; `epoch` compiles a whole epoch.
"""

import sys

import keras
import sizes
import tensorflow as tf
import turns
from keras import layers


def networks(workload):
    """Encoder and decoder of a VAE, as plain Keras models."""
    if workload == "mlp":
        hidden = [layers.Dense(sizes.HIDDEN, "relu") for _ in range(4)]
        return (
            keras.Sequential(
                [
                    layers.Input((sizes.PIXELS,)),
                    *hidden[:2],
                    layers.Dense(2 * sizes.LATENTS),
                ]
            ),
            keras.Sequential(
                [layers.Input((sizes.LATENTS,)), *hidden[2:], layers.Dense(sizes.PIXELS)]
            ),
        )
    convolution = {"strides": 2, "padding": "same", "activation": "relu"}
    start = (7, 7, sizes.FILTERS[-1])
    return (
        keras.Sequential(
            [
                layers.Input((28, 28, 1)),
                *(layers.Conv2D(n, sizes.KERNEL, **convolution) for n in sizes.FILTERS),
                layers.Flatten(),
                layers.Dense(sizes.FEATURES, "relu"),
                layers.Dense(2 * sizes.LATENTS),
            ]
        ),
        keras.Sequential(
            [
                layers.Input((sizes.LATENTS,)),
                layers.Dense(start[0] * start[1] * start[2], "relu"),
                layers.Reshape(start),
                *(
                    layers.Conv2DTranspose(n, sizes.KERNEL, **convolution)
                    for n in sizes.FILTERS[::-1]
                ),
                layers.Conv2D(1, 1),
            ]
        ),
    )


def cvae_networks():
    """Recognition, prior and generation network of the CVAE, as plain Keras models."""

    def mlp(inputs, outputs):
        hidden = [layers.Dense(sizes.CVAE_HIDDEN, "relu") for _ in range(2)]
        return keras.Sequential([layers.Input((inputs,)), *hidden, layers.Dense(outputs)])

    latents, targets = sizes.CVAE_LATENTS, sizes.CVAE_TARGETS
    return (
        mlp(sizes.PIXELS + targets, 2 * latents),
        mlp(sizes.PIXELS, 2 * latents),
        mlp(sizes.PIXELS + latents, targets),
    )


def normal(raw):
    """Mean and standard deviation."""
    mean, scale = tf.split(raw, 2, axis=-1)
    return mean, tf.nn.softplus(scale) + 1e-5


def draw(mean, scale, step):
    """A reparameterized draw."""
    return mean + scale * tf.random.stateless_normal(tf.shape(mean), tf.stack([0, step]))


def bits(logits, target):
    """The negative log-likelihood of independent bits, summed over them and averaged over rows."""
    nats = tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)
    return tf.reduce_sum(nats) / tf.cast(tf.shape(target)[0], nats.dtype)


def kl(q, p):
    """The KL divergence of two diagonal normal distributions, averaged over rows."""
    (m, s), (n, t) = q, p
    nats = tf.math.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    return tf.reduce_mean(tf.reduce_sum(nats, -1))


def loss_of(workload):
    """The trainable variables and the negative ELBO of a batch."""
    if workload == "cvae":
        recognition, prior, generation = models = cvae_networks()

        def loss(x, step):
            y = x[:, : sizes.CVAE_TARGETS]
            q, p = normal(recognition(tf.concat([x, y], -1))), normal(prior(x))
            return bits(generation(tf.concat([x, draw(*q, step)], -1)), y) + kl(q, p)
    else:
        encoder, decoder = models = networks(workload)

        def loss(x, step):
            q = normal(encoder(x))
            return bits(decoder(draw(*q, step)), x) + kl(q, (0.0, 1.0))

    return [v for model in models for v in model.trainable_variables], loss


def main():
    workload, mode = sys.argv[1:]
    x = sizes.images(workload)
    batch_size = sizes.batch_size(workload)
    variables, loss = loss_of(workload)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    def step(batch):
        with tf.GradientTape() as tape:
            value = loss(batch, tf.cast(optimizer.iterations, tf.int32))
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables))
        return value

    if mode == "epoch":
        rows = tf.constant(x)
        steps = len(x) // batch_size

        @tf.function(jit_compile=True)
        def all_steps(order):
            total = 0.0
            for number in tf.range(steps):
                own = tf.gather(order, number)
                total += step(tf.gather(rows, own))
            return total

        def epoch():
            order = tf.random.shuffle(tf.range(steps * batch_size))
            all_steps(tf.reshape(order, [steps, batch_size])).numpy()
    else:
        compiled = tf.function(step, jit_compile=mode == "xla")
        data = tf.data.Dataset.from_tensor_slices(x).shuffle(len(x))
        data = data.batch(batch_size, drop_remainder=True).prefetch(2)

        def epoch():
            total = tf.zeros(())
            for batch in data:
                total += compiled(batch)
            total.numpy()

    turns.take(epoch)


if __name__ == "__main__":
    main()
