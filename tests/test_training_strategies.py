"""What helps a conditional VAE to train: coarser predictions, omitted blocks, image pyramids."""

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
from constructors import masks

import tfcvae
from tfcvae import datasets, layers, networks
from tfcvae.resize import area_resize

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(64, 20, 12, 3)).astype("float32")


# ---- Resizing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(4, 4), (2, 3), (5, 8), (7, 3), (1, 1)])
def test_area_resize_is_that_of_tensorflow(size):
    """TensorFlow's own, which XLA does not compile, and the mean is kept."""
    images = IMAGES[:2, :8, :12]
    received = area_resize(tf.constant(images), size)
    np.testing.assert_allclose(received, tf.image.resize(images, size, "area"), 1e-5, 1e-6)
    np.testing.assert_allclose(np.mean(received, (1, 2)), images.mean((1, 2)), 1e-5)


def test_area_resize_upwards_repeats():
    images = tf.constant(IMAGES[:2, :4, :4])
    np.testing.assert_allclose(area_resize(images, (8, 12)), np.kron(images, np.ones((1, 2, 3, 1))))


# ---- MultiScale --------------------------------------------------------------------------------


def built(layer, *inputs):
    inputs = inputs if len(inputs) > 1 else inputs[0]
    return layer, layer(inputs)


def test_multi_scale_acts_as_its_layer():
    inner = layers.IndependentBernoulli((4, 3, 1), constructors.keeps_space())
    layer, distribution = built(layers.MultiScale(inner), constructors.IMAGES)
    y = (constructors.IMAGES[..., :1] > 0.5).astype("float32")
    alone = inner(constructors.IMAGES)
    np.testing.assert_array_equal(distribution.log_prob(y), alone.log_prob(y))
    np.testing.assert_array_equal(distribution.mean(), alone.mean())
    assert layer.event_shape == inner.event_shape


def test_the_auxiliary_log_probability_by_hand():
    """Heads on averaged features, on averaged targets, weighted."""
    network = keras.layers.Conv2D(2, 1)
    layer, distribution = built(
        layers.MultiScale(layers.IndependentBernoulli((4, 6, 1), network), (0.5, 0.25), (3.0, 0.5)),
        IMAGES[:, :4, :6],
    )
    y = (RNG.uniform(size=(64, 4, 6, 1)) > 0.5).astype("float32")
    features = network(IMAGES[:, :4, :6]).numpy()
    expected = 0
    for head, size, weight in zip(layer.heads, [(2, 3), (1, 2)], (3.0, 0.5)):
        for weight_ in head.weights:
            weight_.assign(RNG.normal(size=weight_.shape))
        kernel, bias = head.get_weights()
        logits = tf.image.resize(features, size, "area").numpy() @ kernel + bias
        target = tf.image.resize(y, size, "area")
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
        expected -= weight * tf.reduce_sum(entropy, (1, 2, 3))
    np.testing.assert_allclose(distribution.auxiliary_log_prob(y), expected, 1e-4)


def test_class_targets_go_by_majority():
    layer = layers.OneHotCategorical((2, 2, 3))
    means = tf.constant([[[0.2, 0.5, 0.3]] * 2] * 2)
    np.testing.assert_array_equal(layer.as_events(means), [[[0.0, 1.0, 0.0]] * 2] * 2)
    assert np.all(layers.IndependentQuantizedLogistic(2).as_events(tf.constant([1.6])) == 2)


def test_heads_of_a_trunk_do_not_see_z():
    layer = layers.MultiScale(masks(networks.unet((2, 3), (3,))), (0.25, 0.5, 1.0))
    x, y = constructors.IMAGES, (constructors.IMAGES[..., :1] > 0.5).astype("float32")
    z = tf.constant(constructors.Z)
    layer((x, z))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        distribution = layer((x, z))
        auxiliary, log_prob = distribution.auxiliary_log_prob(y), distribution.log_prob(y)
    assert tape.gradient(auxiliary, z) is None
    assert np.any(tape.gradient(log_prob, z))
    assert [head.event_shape for head in layer.heads] == [(1, 1, 1), (2, 2, 1), (4, 3, 1)]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"layer": "normal"}, "layer"),
        ({"layer": layers.IndependentNormal(3)}, "layer"),
        ({"scales": ()}, "scales"),
        ({"scales": (2.0,)}, "scales"),
        ({"scales": (0.0, 0.5)}, "scales"),
        ({"weights": (1.0,)}, "weights"),
        ({"weights": (1.0, -1.0)}, "weights"),
    ],
)
def test_multi_scale_refuses(arguments, name):
    with pytest.raises(ValueError, match=f"`{name}`.*Received"):
        layers.MultiScale(**{"layer": masks(None), **arguments})


# ---- BlockOmission -----------------------------------------------------------------------------


def blocks(images, omitted):
    """Height and width of the block of zeros in each image, after checking that it is a block."""
    sizes = []
    for image, result in zip(np.asarray(images), np.asarray(omitted)):
        zero = np.all(result.reshape(*result.shape[:2], -1) == 0, axis=-1)
        rows, columns = zero.any(1), zero.any(0)
        np.testing.assert_array_equal(zero, rows[:, None] & columns[None])
        np.testing.assert_array_equal(np.diff(np.flatnonzero(rows)), 1)
        np.testing.assert_array_equal(np.diff(np.flatnonzero(columns)), 1)
        np.testing.assert_array_equal(result[~zero], image[~zero])
        sizes.append((rows.sum(), columns.sum()))
    return np.array(sizes)


@pytest.mark.parametrize("channels", [None, 1, 3])
@pytest.mark.parametrize("compiled", [False, True])
def test_block_omission_sets_one_square_to_zero(channels, compiled):
    images = np.full((500, 20, 30, *([] if channels is None else [channels])), 0.5, "float32")
    layer = layers.BlockOmission(0.5, seed=3)
    call = tf.function(lambda x: layer(x, training=True), jit_compile=compiled)
    sizes = blocks(images, call(images))
    np.testing.assert_array_equal(sizes[:, 0], sizes[:, 1])
    assert sizes.max() == 10
    assert abs(sizes[:, 0].mean() - 5) < 3 * 3 / np.sqrt(500)
    assert len(np.unique(sizes[:, 0])) == 11
    assert np.any(np.asarray(call(images)) != np.asarray(call(images)))


def test_every_place_of_a_block_is_as_likely():
    """Each pixel of an image is omitted as often as its mirror image."""
    images = np.ones((4000, 10, 10), "float32")
    omitted = 1 - layers.BlockOmission(0.4, seed=0)(images, training=True).numpy().mean(0)
    np.testing.assert_allclose(omitted, omitted[::-1, ::-1], atol=0.03)
    np.testing.assert_allclose(omitted, omitted.T, atol=0.03)
    assert omitted[0, 0] > 0.002
    assert omitted[5, 5] > omitted[0, 5] > omitted[0, 0]


def test_block_omission_is_off_outside_training():
    layer = layers.BlockOmission()
    np.testing.assert_array_equal(layer(IMAGES), IMAGES)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)


def test_block_omission_has_seeds_of_its_own():
    def draws(layer):
        return [layer(IMAGES, training=True).numpy() for _ in range(2)]

    first, again, other = (draws(layers.BlockOmission(seed=s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.any(first[0] != other[0]) and np.any(first[0] != first[1])
    layer = layers.BlockOmission(seed=1)
    given = [layer(IMAGES, training=True, seed=s).numpy() for s in (7, (0, 7), 8)]
    np.testing.assert_array_equal(given[0], given[1])
    assert np.any(given[0] != given[2])


def test_block_omission_in_a_pipeline():
    """Under `map` by the layer's own noise, and in a stream as a function of the stream's seed."""
    omission = layers.BlockOmission(seed=1)
    data = tf.data.Dataset.from_tensor_slices(IMAGES).batch(16)
    batches = list(data.map(lambda x: omission(x, training=True)))
    for batch, images in zip(batches, data):
        assert np.any(blocks(images, batch) > 0)

    def stream():
        return datasets.stream(
            IMAGES, 16, transform=lambda x, seed: omission(x, training=True, seed=seed)
        ).take(8)

    for a, b in zip(stream(), stream()):
        np.testing.assert_array_equal(a, b)
    first, *_, last = stream()
    assert np.any(first != last)


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_an_image_pyramid_of_integers(dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 1)).astype(dtype)
    expected = layers.ImagePyramid()(images.astype("float32"))
    np.testing.assert_array_equal(layers.ImagePyramid()(images), expected)
    assert len(np.unique(expected)) > 10


@pytest.mark.parametrize("scales", [None, (0.5,)])
def test_block_omission_inside_a_likelihood(scales):
    """Noise in training on the way from x, also by the trunk that several scales share."""
    network = networks.preprocessed(layers.BlockOmission(0.9), networks.unet((2,), (3,)))
    layer = masks(network)
    layer = layer if scales is None else layers.MultiScale(layer, scales)
    x, z = tf.constant(constructors.MASKS), tf.ones([len(constructors.MASKS), 2])
    layer((x, z))
    clean, again = (layer((x, z), training=False).mean() for _ in range(2))
    np.testing.assert_array_equal(clean, again)
    noisy, other = (layer((x, z), training=True).mean() for _ in range(2))
    assert np.any(noisy != clean) and np.any(noisy != other)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_block_omission_inside_a_cvae(jit_compile):
    """By composition on x of every part; no noise in prediction and scores."""

    def noisy(network):
        return networks.preprocessed(layers.BlockOmission(0.9), network)

    x = constructors.MASKS
    model = tfcvae.CVAE(
        recognition=layers.IndependentNormal(2, noisy(networks.conv_encoder((2,)))),
        prior=layers.IndependentNormal(2, noisy(networks.conv_encoder((2,)))),
        generation=masks(noisy(networks.unet((2,), (3,)))),
        seed=0,
    )
    model.compile(keras.optimizers.SGD(0.0), jit_compile=jit_compile)
    history = model.fit(x, 1 - x, epochs=2, batch_size=16, verbose=0).history
    assert np.all(np.isfinite(history["loss"]))
    assert model.generation.network.handles_samples
    np.testing.assert_array_equal(model(x), model(x))
    scores = [model.log_prob(x, 1 - x, num_samples=3, seed=0) for _ in range(2)]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("max_fraction", [0, -0.1, 1.1, "half", True, None])
def test_block_omission_refuses(max_fraction):
    with pytest.raises(ValueError, match="`max_fraction`.*Received"):
        layers.BlockOmission(max_fraction)


def test_preprocessing_refuses_what_is_no_image():
    for layer in (layers.BlockOmission(), layers.ImagePyramid()):
        with pytest.raises(ValueError, match="must be images.*Received"):
            layer(np.zeros((3, 4), "float32"))
        with pytest.raises(ValueError, match="Received"):
            layer.build((None, None, 4, 1))


# ---- Image pyramids and the U-Net ----------------------------------------------------------------


def test_an_image_pyramid_holds_every_resolution():
    received = layers.ImagePyramid((0.5, 1.0))(IMAGES[:, :, :, :1])
    expected = np.kron(
        IMAGES[..., :1].reshape(64, 10, 2, 6, 2, 1).mean((2, 4)), np.ones((1, 2, 2, 1))
    )
    np.testing.assert_allclose(received[..., :1], expected, 1e-5)
    np.testing.assert_array_equal(received[..., 1:], IMAGES[..., :1])


def test_the_trunk_of_a_unet_runs_once_for_all_samples():
    network = networks.unet((2, 3), (4,))
    x, z = tf.constant(IMAGES[:5]), tf.random.normal((7, 5, 2))
    network((x, z[0]))
    assert network((x, z)).shape == (7, 5, 20, 12, 4)
    maps = network.trunk((x, z))
    assert [tuple(m.shape) for m in maps] == [(5, 10, 6, 3), (5, 20, 12, 2)]
    np.testing.assert_array_equal(network.join(maps[-1], (x, z)), network((x, z)))


def test_a_unet_sees_far():
    """A pixel in one corner reaches the other through the coarse levels."""
    network = networks.unet((4, 4, 4, 4), (4,), activation="tanh")
    x = tf.constant(IMAGES[:1, :12, :12])
    with tf.GradientTape() as tape:
        tape.watch(x)
        corner = network(x)[0, 0, 0]
    assert np.any(tape.gradient(corner, x)[0, -1, -1])


@pytest.mark.parametrize("inputs", ["z", "sizes", "samples"])
def test_a_unet_refuses(inputs):
    z = np.zeros((64, 2), "float32")
    given = {"z": z, "sizes": (IMAGES, IMAGES[:, :4]), "samples": (IMAGES, z[None])}[inputs]
    with pytest.raises(ValueError, match="`unet`.*Received"):
        networks.unet()(given)


# ---- The objectives ------------------------------------------------------------------------------


def test_the_hybrid_objective_is_logged_under_its_own_name():
    case = constructors.MODELS["cvae_hybrid"]
    model = case.make()
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    logs = model.evaluate(case.x, case.y, verbose=0, return_dict=True)
    assert logs["hybrid"] == pytest.approx(0.5 * logs["elbo"] - 0.5 * logs["gsnn"], rel=1e-5)
    assert logs["hybrid"] != pytest.approx(logs["elbo"], rel=1e-3)


def test_preprocessing_keeps_the_coarse_predictions_on_the_path_from_x():
    network = networks.preprocessed(layers.BlockOmission(), networks.unet((4, 8), (4,)))
    layer = layers.MultiScale(layers.IndependentBernoulli((8, 8, 1), network=network))
    x, z = tf.ones([2, 8, 8, 1]), tf.ones([3, 2, 2])
    layer((x, z[0]))
    with tf.GradientTape() as tape:
        tape.watch(z)
        likelihood = layer((x, z))
        total = tf.reduce_sum(likelihood.auxiliary_log_prob(x))
    assert tape.gradient(total, z) is None
    assert likelihood.batch_shape == (3, 2)


@keras.saving.register_keras_serializable("tests")
class Count(keras.layers.Layer):
    def build(self, input_shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.dense = keras.layers.Dense(4)
        self.dense.build((None, sum(shape[-1] for shape in input_shape)))

    def call(self, inputs, training=None):
        if training:
            self.count.assign_add(1.0)
        return self.dense(tf.concat(inputs, -1))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_generation_runs_once_in_a_step(alpha):
    count = Count()
    model = tfcvae.CVAE(
        layers.IndependentNormal(2) if alpha else None,
        layers.IndependentNormal(2),
        layers.IndependentBernoulli(3, network=count),
        alpha=alpha,
    )
    model.compile("adam")
    model.fit(np.ones((4, 2), "float32"), np.ones((4, 3), "float32"), verbose=0)
    assert float(count.count) == 1


def test_mixtures_of_likelihoods_of_images():
    component = layers.IndependentQuantizedLogistic((4, 4, 1), projection=False)
    mixture = layers.MixtureSameFamily(2, component)
    assert mixture.takes_integers
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.MultiScale(mixture, scales=(0.5,)))
    vae.compile("adam")
    x = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 1), "uint8")
    assert np.isfinite(vae.fit(x, verbose=0).history["multi_scale"][0])


def test_importance_weighted_training_moves_the_encoder_by_the_coarse_predictions():
    decoder = layers.MultiScale(layers.IndependentBernoulli((4, 4, 1), network=networks.mlp([4])))
    vae = tfcvae.VAE(
        layers.IndependentNormal(2), decoder, num_samples=2, importance_weighted=True, seed=0
    )
    x = tf.ones([3, 4, 4, 1])
    vae.build(x.shape)
    with tf.GradientTape() as tape:
        parts, seed = vae._parts(x, None, True), tf.constant([0, 1])
        losses = {name: loss for name, _, loss in vae._terms(parts, None, 0, seed)}
    assert tape.gradient(losses["multi_scale"], vae.encoder.weights[0]) is not None
