"""A flow prior of tfcvae: KIND DIMENSION STEPS log_prob|sample graph|xla."""

import flow_sizes
import tensorflow as tf
import turns

from tfcvae import priors


def flow(kind, dimension, steps):
    """The prior."""
    arguments = {"num_steps": steps, "hidden_units": flow_sizes.HIDDEN}
    if kind.startswith("nsf"):
        spline = {"num_bins": flow_sizes.BINS, "tail_bound": flow_sizes.TAIL}
        autoregressive = kind.endswith("autoregressive")
        return priors.NeuralSplineFlow(
            dimension, autoregressive=autoregressive, **spline, **arguments
        )
    return {"maf": priors.MAF, "real_nvp": priors.RealNVP}[kind](dimension, **arguments)


def main():
    kind, dimension, steps, direction, mode = flow_sizes.arguments()
    prior = flow(kind, dimension, steps)
    prior.build(None)

    @tf.function(jit_compile=mode == "xla", autograph=False)
    def log_prob(z):
        return prior(None).log_prob(z)

    @tf.function(jit_compile=mode == "xla", autograph=False)
    def sample(seed):
        return prior(None).sample(flow_sizes.ROWS, seed=seed)

    z, seed = tf.constant(flow_sizes.points(dimension)), tf.constant([0, 1])
    if direction == "log_prob":
        turns.repeat(lambda: log_prob(z).numpy())
    turns.repeat(lambda: sample(seed).numpy())


if __name__ == "__main__":
    main()
