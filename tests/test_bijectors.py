"""Orders of the dimensions between the steps of a flow, and what a step's network sees."""

import numpy as np
import pytest
import tensorflow as tf

from tfcvae import bijectors, priors
from tfcvae.bijectors.mixing import random_orders

over = pytest.mark.parametrize


@over("event_size", [2, 3, 4, 5, 20, 50])
@over("of_coupling", [True, False])
def test_no_dimension_is_left_out_for_long(event_size, of_coupling):
    num_passive = (event_size + 1) // 2 if of_coupling else 1
    dimensions = np.arange(event_size)
    passive = [set(dimensions[:num_passive])]
    for order in random_orders(event_size, num_passive, 30):
        dimensions = dimensions[order]
        passive.append(set(dimensions[:num_passive]))
    assert not set.intersection(*passive[:3])
    for first, second in zip(passive, passive[1:]):
        assert first != second
    for window in zip(passive, passive[1:], passive[2:], passive[3:]):
        assert not set.intersection(*window)


def test_one_dimension_has_one_order():
    assert list(random_orders(1, 1, 2)) == [[0], [0]]


@over("kind", [bijectors.Coupling, bijectors.Autoregressive])
def test_every_dimension_of_a_flow_depends_on_another(kind):
    """An affine function of its own coordinate alone would leave a normal base normal."""
    size = 7
    chain = bijectors.flow(lambda name: kind(size, None, (16,), name=name), size, 3)
    chain.build(None)
    rng = np.random.default_rng(0)
    for weight in chain.trainable_weights:
        weight.assign_add(rng.normal(size=weight.shape))
    z = rng.normal(size=size).astype("float32")
    x = chain(None).forward(tf.constant(z + np.eye(1 + size, size, -1, "float32"))).numpy()
    changed = x[1:] != x[0]  # [moved, dimension]
    assert np.all(np.sum(changed, axis=0) > 1)


@over("kind", [priors.MAF, priors.IAF])
def test_a_step_of_an_autoregressive_prior_scales_by_at_most_its_bound(kind):
    prior = kind(3, num_steps=1)
    prior.build()
    step = prior.chain.steps[0]
    step.conditioner.trainable_weights[-1].assign(tf.tile([0.0, 1e3], [3]))
    log_det = step(None).forward_log_det_jacobian(tf.zeros([3]), 1)
    np.testing.assert_allclose(tf.abs(log_det), 3 * 2.0, rtol=1e-6)


def test_the_log_scale_of_an_affine_transform_is_bounded_smoothly():
    raw = tf.constant([-1e6, 0.0, 1e6])
    with tf.GradientTape() as tape:
        tape.watch(raw)
        transform = bijectors.Affine(max_log_scale=3.0)(tf.stack([tf.ones(3), raw], axis=-1))
        log_scale = transform.forward_log_det_jacobian(tf.zeros(3), 0)
    np.testing.assert_allclose(log_scale, [-3.0, 0.0, 3.0])
    np.testing.assert_allclose(tape.gradient(log_scale, raw), [0.0, 1.0, 0.0])
    np.testing.assert_allclose(transform.forward(tf.zeros(3)), np.ones(3))


@over("hidden_units", [(2,), (3, 20), (20,)])
def test_outputs_see_all_dimensions_before_them(hidden_units):
    net = bijectors.Conditioner(6, 1, hidden_units, autoregressive=True, activation="tanh")
    net.build((None, 6))
    for weight in net.weights:
        weight.assign(tf.ones_like(weight) * 0.3)
    z = tf.zeros([1, 6])
    with tf.GradientTape() as tape:
        tape.watch(z)
        outputs = net(z)[..., 0]
    seen = tape.batch_jacobian(outputs, z)[0].numpy() != 0
    assert not np.any(np.triu(seen))
    assert np.all(seen[-1, :-1]) and np.all(seen[1:, 0])


def test_orders_must_be_permutations():
    with pytest.raises(ValueError, match="`order`"):
        bijectors.Permutation([0, 2])
