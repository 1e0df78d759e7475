"""What the machine could do: limit.py WORKLOAD.

A turn takes the time of the multiply-adds of an epoch at the rate of a product of large matrices,
and of the optimizer's traffic at the rate of the memory; both are measured in the turn.
"""

import sys
import time

import numpy as np
import sizes
import tensorflow as tf
import turns

SIDE = 2048
ADAM_FLOATS = 7
"""Reads of weight, gradient and two moments, writes of three of them."""


def dense_weights(workload):
    """The matrices that every row of a batch is multiplied by."""
    if workload == "mlp":
        inner, outer = sizes.HIDDEN, sizes.PIXELS
        both = [(outer, inner), (inner, inner), (inner, 2 * sizes.LATENTS)]
        return [*both, (sizes.LATENTS, inner), (inner, inner), (inner, outer)]
    hidden, latents, y = sizes.CVAE_HIDDEN, sizes.CVAE_LATENTS, sizes.CVAE_TARGETS
    x = sizes.PIXELS
    ends = [(x + y, 2 * latents), (x, 2 * latents), (x + latents, y)]
    return [m for i, o in ends for m in ((i, hidden), (hidden, hidden), (hidden, o))]


def work(workload):
    """Multiply-adds of a row, forward, and the number of weights."""
    if workload != "conv":
        size = sum(i * o for i, o in dense_weights(workload))
        return size, size
    first, last = sizes.FILTERS
    taps = sizes.KERNEL**2
    start = 49 * last
    dense = start * sizes.FEATURES + sizes.FEATURES * 2 * sizes.LATENTS + sizes.LATENTS * start
    kernels = [taps * first, taps * first * last, taps * last * last, taps * last * first, first]
    places = [14 * 14, 7 * 7, 7 * 7, 14 * 14, 28 * 28]
    return dense + sum(k * p for k, p in zip(kernels, places)), dense + sum(kernels)


def main():
    workload = sys.argv[1]
    multiply_adds, weights = work(workload)
    rows = sizes.ROWS[workload]
    batch_size = sizes.batch_size(workload)
    a = tf.random.normal([SIDE, SIDE])
    product = tf.function(lambda: tf.matmul(a, a))
    source = np.ones(1 << 27, "uint8")
    target = np.empty_like(source)

    def fastest(call, times=5):
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
        return min(taken)

    turns.ready()
    while True:
        rate = SIDE**3 / fastest(lambda: product().numpy())
        bandwidth = 2 * source.nbytes / fastest(lambda: np.copyto(target, source))
        traffic = 4 * ADAM_FLOATS * weights * (rows // batch_size)
        turns.done(3 * multiply_adds * rows / rate + traffic / bandwidth)
        turns.wait()


if __name__ == "__main__":
    main()
