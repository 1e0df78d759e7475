"""A flow of FlowJAX: KIND DIMENSION STEPS log_prob|sample."""

import equinox
import flow_sizes
import jax
import turns
from flowjax import bijections, distributions, flows
from jax import numpy as jnp


def flow(kind, dimension, steps):
    """The flow."""
    make = flows.coupling_flow
    if kind in ("maf", "nsf-autoregressive"):
        make = flows.masked_autoregressive_flow
    transformer = None
    if kind.startswith("nsf"):
        transformer = bijections.RationalQuadraticSpline(
            knots=flow_sizes.BINS, interval=flow_sizes.TAIL
        )
    return make(
        jax.random.key(0),
        base_dist=distributions.Normal(jnp.zeros(dimension)),
        transformer=transformer,
        flow_layers=steps,
        nn_width=flow_sizes.HIDDEN[0],
        nn_depth=len(flow_sizes.HIDDEN),
    )


def main():
    kind, dimension, steps, direction = flow_sizes.arguments()
    model = flow(kind, dimension, steps)
    z = jnp.asarray(flow_sizes.points(dimension))
    log_prob = equinox.filter_jit(lambda model, z: model.log_prob(z))
    sample = equinox.filter_jit(lambda model, key: model.sample(key, (flow_sizes.ROWS,)))
    key = jax.random.key(1)
    if direction == "log_prob":
        turns.repeat(lambda: log_prob(model, z).block_until_ready())
    turns.repeat(lambda: sample(model, key).block_until_ready())


if __name__ == "__main__":
    main()
