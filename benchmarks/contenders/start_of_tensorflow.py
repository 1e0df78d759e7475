"""Seconds from an empty process to the first step by hand: start_of_tensorflow.py MODE."""

import sys
import time

start = time.perf_counter()
import keras  # noqa: E402
import tensorflow_probability  # noqa: E402, F401

imported = time.perf_counter()
import of_tensorflow as by_hand  # noqa: E402
import sizes  # noqa: E402
import tensorflow as tf  # noqa: E402
import turns  # noqa: E402


def main():
    variables, loss = by_hand.loss_of("mlp")
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    @tf.function(jit_compile=sys.argv[1] == "xla")
    def step(batch):
        with tf.GradientTape() as tape:
            value = loss(batch, tf.cast(optimizer.iterations, tf.int32))
        optimizer.apply_gradients(zip(tape.gradient(value, variables), variables))
        return value

    step(tf.constant(sizes.images("mlp")[: sizes.BATCH])).numpy()
    end = time.perf_counter()
    turns.say(**{"import": imported - start, "first step": end - start})


if __name__ == "__main__":
    main()
