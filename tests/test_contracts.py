"""One set of contracts, over the table of constructors."""

import gc

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import (
    BIJECTORS,
    LAYERS,
    MODELS,
    NETWORKS,
    PRIORS,
    RANDOM,
    ROWS,
    Batches,
    tensors,
)

import tfcvae
from tfcvae import layers, networks, priors, regularizers, sampling, seeds

tfd, tfb = tfp.distributions, tfp.bijectors

SAMPLES = 3
TABLE = {**LAYERS, **PRIORS, **BIJECTORS, **NETWORKS}
DISTRIBUTIONS = {**LAYERS, **PRIORS}
PROJECTED = [name for name in TABLE if not name.startswith("raw_")]
"""Without the layers over raw parameters, which make the same distributions."""
WITHOUT_SAMPLE_AXES = (
    "conv_",
    "parameters",
    "conditioner",
    "block_omission",
    "image_pyramid",
    "variable",
    "second_stage",  # its noise differs from sample to sample
)
WITH_SAMPLE_AXES = [
    name
    for name, case in TABLE.items()
    if case.inputs is not None and not name.startswith(WITHOUT_SAMPLE_AXES)
]


def over(cases, *names):
    """Parametrises a test over (some of) the cases of a table."""
    return pytest.mark.parametrize("name", names or cases)


COMBINED = {
    *("vae_integers", "vae_tril_learned", "vae_flow_of_vamp", "vae_only_mmd", "vae_multi_scale"),
    *("cvae_mixture", "cvae_second_stage", "cvae_vamp_baseline", "cvae_bayesian_normal"),
    *("gsnn_multi_scale", "gsnn_labels_baseline", "autoregressive_spline", "flow_posterior_linear"),
    *("multi_scale_flat", "maf_given_image", "maf_given_of_a_mixture", "maf_one_dimension"),
}
"""Cases whose parts other cases have by themselves."""


def mostly(cases):
    """Parametrises a test; combined cases and twins without weights are slow."""

    def case(name):
        slow = name in COMBINED or name.startswith("raw_")
        return pytest.param(name, marks=pytest.mark.slow if slow else ())

    return over([case(name) for name in cases])


def numpy(tensor):
    return tf.cast(tensor, "float64").numpy()


def made(name, perturbed=True):
    """The built layer of a case and its inputs; with weights moved from where they start.

    The last layers of the flows start at zero, which would hide missing gradients.
    """
    case = {**TABLE, **RANDOM}[name]
    layer, inputs = case.make(), tensors(case.inputs)
    layer(inputs)
    rng = np.random.default_rng(1)
    for weight in layer.trainable_weights if perturbed else ():
        weight.assign_add(0.3 * rng.normal(size=weight.shape))
    return layer, inputs


def draw_from(distribution, seed=(1, 2)):
    """A draw, of shape `[rows, *event]` even if the batch shape is `[]`."""
    sample_shape = [] if distribution.batch_shape.rank else [ROWS]
    return tf.stop_gradient(distribution.sample(sample_shape, seed=seed))


def point(name):
    """Fixed values of the last axis' size, for bijectors: inside no support's edge."""
    values = np.random.default_rng(2).normal(size=(ROWS, *TABLE[name].event_shape))
    return tf.constant(values, tf.float32)


def outputs(name, result, y=None):
    """What a layer's result is compared by: a dict of tensors, of fixed y."""
    if isinstance(result, tfd.Distribution):
        y = draw_from(result) if y is None else y
        found = {"y": y, "log_prob": result.log_prob(y), "center": layers.center(result)}
        if hasattr(result, "auxiliary_log_prob"):
            found["auxiliary"] = result.auxiliary_log_prob(y)
        return found
    if isinstance(result, tfb.Bijector):
        z = point(name) if y is None else y
        return {
            "y": z,
            "forward": result.forward(z),
            "inverse": result.inverse(z),
            "ildj": result.inverse_log_det_jacobian(z, 1),
        }
    return {"features": result}


@keras.saving.register_keras_serializable("tests")
class Alone(keras.Model):
    """A model of one layer, whose call returns a tensor; `free` if the layer takes no input."""

    def __init__(self, layer, free=False, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer
        self.free = free

    def given(self, inputs):
        return None if self.free else inputs

    def call(self, inputs):
        result = self.layer(self.given(inputs))
        if isinstance(result, tfd.Distribution):
            return layers.center(result)
        return result.forward(tf.zeros((ROWS, 3))) if isinstance(result, tfb.Bijector) else result

    def get_config(self):
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self.layer),
            "free": self.free,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "layer": keras.saving.deserialize_keras_object(config["layer"])})


# ---- Layers, priors, bijectors and networks -------------------------------------------------


@over(TABLE)
def test_shapes_and_dtypes(name):
    layer, inputs = made(name, perturbed=False)
    event = TABLE[name].event_shape
    result = layer(inputs)
    if isinstance(result, tfb.Bijector):
        out = outputs(name, result)
        assert out["forward"].shape == out["inverse"].shape == (ROWS, *event)
        assert out["ildj"].shape in ((), (ROWS,))
        back = result.forward(tf.identity(out["inverse"]))  # TFP keeps what it has inverted
        np.testing.assert_allclose(back, out["y"], atol=1e-5)
    elif isinstance(result, tfd.Distribution):
        batch = () if inputs is None else (ROWS,)
        assert layer.event_shape == tuple(result.event_shape) == event
        assert tuple(result.batch_shape) == batch
        y = result.sample(SAMPLES, seed=(0, 1))
        assert y.shape == (SAMPLES, *batch, *event) and y.dtype == tf.float32
        assert result.log_prob(y).shape == (SAMPLES, *batch)
        assert result.log_prob(y).dtype == tf.float32
        assert layers.center(result).shape == (*batch, *event)
        if name in LAYERS:
            shape = keras.tree.map_structure(lambda x: tuple(x.shape), inputs)
            shape = list(shape) if isinstance(inputs, tuple) else shape
            assert tuple(layer.compute_output_shape(shape)) == (ROWS, *event)
    else:
        assert result.shape == (ROWS, *event) and result.dtype == tf.float32


@over(WITH_SAMPLE_AXES)
def test_sample_axes_give_the_result_of_each_sample(name):
    """Inputs [S, B, ...] act as S batches; one of several inputs may lack the sample axis."""
    layer, inputs = made(name)
    rng = np.random.default_rng(3)
    flat = keras.tree.flatten(inputs)
    many = []
    for i, x in enumerate(flat):
        order = np.stack([rng.permutation(ROWS) for _ in range(SAMPLES)])
        many.append(x if i == 0 and len(flat) > 1 else tf.gather(x, order))
    ranks = [x.shape.rank for x in flat]
    result = layer(keras.tree.pack_sequence_as(inputs, many))
    if not isinstance(result, tfd.Distribution):
        together = outputs(name, result, tf.stack([point(name)] * SAMPLES))
    else:
        assert tuple(result.batch_shape) == (SAMPLES, ROWS)
        assert tuple(result.event_shape) == TABLE[name].event_shape
        together = outputs(name, result)
        assert together["y"].shape == (SAMPLES, ROWS, *TABLE[name].event_shape)
    for s in range(SAMPLES):
        one = [x[s] if x.shape.rank > rank else x for x, rank in zip(many, ranks)]
        y = together["y"][s] if "y" in together else None
        separate = outputs(name, layer(keras.tree.pack_sequence_as(inputs, one)), y)
        for key, value in separate.items():
            np.testing.assert_allclose(together[key][s], value, 2e-4, 2e-5, err_msg=key)


@over({**TABLE, **RANDOM})
def test_every_weight_gets_a_gradient(name):
    layer, inputs = made(name)
    with tf.GradientTape() as tape, seeds.weight_noise(tf.constant([0, 1])):
        out = outputs(name, layer(inputs))
        targets = [value for key, value in out.items() if key not in ("y", "center", "forward")]
        loss = tf.add_n(
            [
                tf.reduce_sum(value * tf.range(1.0, ROWS + 1))
                if value.shape.rank == 1
                else tf.reduce_sum(tf.square(value))
                for value in (*targets, *layer.losses)
            ]
        )
    # A flow of one dimension has masks that let nothing through, so no gradient either.
    masked = "kernel" if "one_dimension" in name else None
    for weight, gradient in zip(
        layer.trainable_weights, tape.gradient(loss, layer.trainable_weights)
    ):
        assert gradient is not None, weight.path
        assert np.all(np.isfinite(gradient)), weight.path
        if masked is None or masked not in weight.name:
            assert np.any(gradient), weight.path


@over({**TABLE, **RANDOM})
def test_the_configuration_makes_the_same_layer(name):
    layer, inputs = made(name)
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    copy(inputs)
    assert [w.shape for w in copy.weights] == [w.shape for w in layer.weights]
    assert [w.dtype for w in copy.weights] == [w.dtype for w in layer.weights]


@mostly({**TABLE, **RANDOM})
def test_a_keras_file_restores_a_layer_by_itself(name, tmp_path):
    layer, inputs = made(name)
    model = Alone(layer, free=inputs is None)
    given = constructors.X if inputs is None else inputs
    expected = model(given)
    model.save(tmp_path / "alone.keras")
    loaded = keras.saving.load_model(tmp_path / "alone.keras")
    assert len(loaded.weights) == len(layer.weights)
    np.testing.assert_array_equal(loaded(given), expected)
    expected, received = outputs(name, layer(inputs)), outputs(name, loaded.layer(inputs))
    for key, value in expected.items():
        np.testing.assert_array_equal(received[key], value, err_msg=key)


# The noise of a second stage's density is another under XLA.
@mostly([name for name in [*PROJECTED, *RANDOM] if not name.startswith("second_stage")])
def test_xla_gives_the_same(name):
    layer, inputs = made(name)
    eager = outputs(name, layer(inputs))
    y = eager.get("y")

    @tf.function(jit_compile=True)
    def compiled():
        return outputs(name, layer(inputs), y)

    for key, value in compiled().items():
        np.testing.assert_allclose(value, eager[key], 1e-4, 1e-5, err_msg=key)


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@mostly([*PROJECTED, *RANDOM])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"], indirect=True)
def test_precision(name, policy, tmp_path):
    """Distributions and weights have the policy's variable dtype, half precision or not."""
    dtype = "float32" if policy == "mixed_bfloat16" else "float64"
    case = {**TABLE, **RANDOM}[name]
    layer, inputs = case.make(), tensors(case.inputs)
    result = layer(inputs)
    assert all(w.dtype == dtype for w in layer.weights)
    if isinstance(result, tfd.Distribution):
        assert result.dtype == dtype
        y = draw_from(result)
        assert result.log_prob(y).dtype == y.dtype == layers.center(result).dtype == dtype
        assert np.all(np.isfinite(result.log_prob(y)))
    elif isinstance(result, tfb.Bijector):
        z = tf.cast(point(name), dtype)
        assert result.forward(z).dtype == dtype
    elif name in NETWORKS:
        assert np.all(np.isfinite(numpy(result)))


@over(NETWORKS, "mlp", "mlp_labels", "conv_encoder", "conv_decoder", "joint_dense")
def test_a_network_keeps_its_precision_when_loaded_under_another_policy(name, tmp_path):
    """A model trained in half precision, loaded in a process that never set a policy."""
    case = TABLE[name]
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = Alone(case.make())
        expected = model(tensors(case.inputs))
        model.save(tmp_path / "half.keras")
    finally:
        keras.config.set_dtype_policy(before)
    received = keras.saving.load_model(tmp_path / "half.keras")(tensors(case.inputs))
    np.testing.assert_array_equal(numpy(received), numpy(expected))


@over(TABLE, "normal", "tril", "conv_encoder", "mlp_labels", "maf_given", "real_nvp")
def test_seeds_fix_the_weights(name):
    def weights():
        keras.utils.set_random_seed(3)
        layer = TABLE[name].make()
        layer(tensors(TABLE[name].inputs))
        return layer.get_weights()

    for first, second in zip(weights(), weights()):
        np.testing.assert_array_equal(first, second)


@over(DISTRIBUTIONS)
def test_seeds_fix_the_draws(name):
    layer, inputs = made(name)
    first, second, other = (draw_from(layer(inputs), seed) for seed in [(4, 5), (4, 5), (4, 6)])
    np.testing.assert_array_equal(first, second)
    assert np.any(first != other)


@over(BIJECTORS)
def test_the_log_determinant_is_that_of_the_jacobian(name):
    layer, inputs = made(name)
    bijector, z = layer(inputs), point(name)
    with tf.GradientTape() as tape:
        tape.watch(z)
        x = bijector.inverse(z)
    jacobian = tape.batch_jacobian(x, z)
    expected = tf.linalg.slogdet(jacobian).log_abs_determinant
    np.testing.assert_allclose(bijector.inverse_log_det_jacobian(z, 1), expected, 1e-4, 1e-5)
    np.testing.assert_allclose(bijector.forward(tf.identity(x)), z, 1e-4, 1e-4)


def test_an_autoregressive_conditioner_sees_earlier_dimensions_only():
    layer, z = made("conditioner_autoregressive")
    with tf.GradientTape() as tape:
        tape.watch(z)
        parameters = layer(z)
    jacobian = tape.batch_jacobian(parameters, z).numpy()
    depends = np.any(jacobian != 0, axis=(0, 2))
    np.testing.assert_array_equal(depends, np.tril(np.ones((4, 4), bool), -1))


@over(PRIORS, "learned_normal_given", "maf_given", "real_nvp_given")
def test_a_conditional_prior_scores_draws_with_sample_axes(name):
    """log_prob of z [S, B, D] under p(z|x) of batch shape [B]."""
    layer, inputs = made(name)
    prior = layer(inputs)
    z = prior.sample(SAMPLES, seed=(0, 1))
    assert z.shape == (SAMPLES, ROWS, 3)
    scores = prior.log_prob(z)
    for row in range(ROWS):
        alone = layer(inputs[row : row + 1]).log_prob(z[:, row : row + 1])
        np.testing.assert_allclose(scores[:, row : row + 1], alone, 1e-4, 1e-5)


@over(PRIORS, "learned_normal_given", "maf_given_of_a_mixture", "maf_of_a_mixture_given", "maf")
def test_draws_for_a_number_of_rows_that_tracing_does_not_know(name):
    layer, inputs = made(name)
    given = () if inputs is None else (inputs,)

    def draws(rows, *given):
        return sampling.draw(layer(*given or [None]), SAMPLES, rows, (0, 1))

    specs = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in given]
    traced = tf.function(draws, input_signature=[tf.TensorSpec([], tf.int32), *specs])
    found = traced(tf.constant(ROWS), *given)
    assert found.shape == (SAMPLES, ROWS, 3)
    np.testing.assert_allclose(found, draws(ROWS, *given), 1e-5, 1e-6)


@over(PRIORS, "maf", "maf_given", "real_nvp", "real_nvp_given")
def test_a_flow_starts_as_the_normal_base(name):
    layer, inputs = made(name, perturbed=False)
    flow = layer(inputs)
    z = draw_from(flow)
    np.testing.assert_allclose(flow.log_prob(z), flow.distribution.log_prob(z), 1e-5)


@over(PRIORS, "maf_given", "real_nvp")
def test_the_center_of_a_flow_is_its_bases_mean_pushed_forward(name):
    layer, inputs = made(name)
    flow = layer(inputs)
    expected = flow.bijector.forward(flow.distribution.mean())
    np.testing.assert_allclose(layers.center(flow), expected, 1e-6)


def test_the_center_of_a_mixture_is_the_mean_of_its_heaviest_component():
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(logits=[[0.0, 1.0], [2.0, 1.0]]),
        tfd.MultivariateNormalDiag(tf.reshape(tf.range(12.0), (2, 2, 3)), tf.ones(3)),
    )
    np.testing.assert_array_equal(layers.center(mixture), [[3, 4, 5], [6, 7, 8]])


# ---- Twins in TensorFlow Probability --------------------------------------------------------

TWINS = {
    "raw_normal": lambda raw: tfp.layers.IndependentNormal.new(raw, (2,)),
    "raw_normal_known": lambda raw: tfd.Independent(tfd.Normal(raw, 2.0), 1),
    "raw_normal_shared": lambda raw: tfd.Independent(tfd.Normal(raw, np.float32(np.log(2.0))), 1),
    "raw_normal_keeps_space": lambda raw: tfp.layers.IndependentNormal.new(
        tf.reshape(tf.transpose(raw, (0, 3, 1, 2)), (ROWS, -1)), (4, 3, 1)
    ),
    "raw_tril": lambda raw: tfp.layers.MultivariateNormalTriL.new(raw, 2),
    "raw_bernoulli": lambda raw: tfp.layers.IndependentBernoulli.new(raw, (2, 2), tf.float32),
    "raw_logistic": lambda raw: tfp.layers.IndependentLogistic.new(raw, (2,)),
    "raw_categorical": lambda raw: tfd.Independent(
        tfd.OneHotCategorical(tf.reshape(raw, (-1, 2, 2)), dtype=tf.float32), 1
    ),
    "raw_poisson": lambda raw: tfp.layers.IndependentPoisson.new(raw, 4),
    "raw_mixture_normal": lambda raw: tfp.layers.MixtureNormal.new(raw, 2, 2),
    "raw_mixture_logistic": lambda raw: tfp.layers.MixtureLogistic.new(raw, 2, 2),
    "raw_mixture_tril": lambda raw: tfp.layers.MixtureSameFamily.new(
        raw, 2, tfp.layers.MultivariateNormalTriL(2)
    ),
    "raw_mixture_one_hot": lambda raw: tfp.layers.CategoricalMixtureOfOneHotCategorical.new(
        raw, 3, 2
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_without_projection_a_layer_equals_its_twin(name):
    layer, raw = made(name, perturbed=False)
    received, expected = layer(raw), TWINS[name](raw)
    y = received.sample(5, seed=(1, 2))
    np.testing.assert_allclose(received.log_prob(y), expected.log_prob(y), 1e-3, 1e-3)
    np.testing.assert_allclose(received.mean(), expected.mean(), 1e-5)
    if name not in ("raw_bernoulli", "raw_categorical", "raw_mixture_one_hot"):
        np.testing.assert_allclose(received.stddev(), expected.stddev(), 1e-3, 2e-5)
    if name not in ("raw_normal_shared", "raw_normal_known"):
        size = np.prod(raw.shape[1:])
        event = layer.event_shape[0] if name == "raw_tril" else layer.event_shape
        arguments = (2, 5 if "tril" in name else event) if "mixture" in name else (event,)
        assert type(layer).params_size(*arguments) == size
    assert not [w for w in layer.weights if "raw_scale" not in w.name]


def test_a_bernoulli_scores_grey_targets_by_the_cross_entropy():
    layer, logits = made("raw_bernoulli")
    y = np.random.default_rng(0).uniform(size=(ROWS, 2, 2)).astype("float32")
    p = 1 / (1 + np.exp(-np.reshape(logits, y.shape)))
    expected = np.sum(y * np.log(p) + (1 - y) * np.log(1 - p), axis=(1, 2))
    np.testing.assert_allclose(layer(logits).log_prob(y), expected, 1e-5)


def test_a_bernoulli_is_exact_at_any_finite_logit():
    logits = tf.constant([[-1e4, -80.0, -5.0, 0.0, 5.0, 80.0, 1e4]])
    layer = layers.IndependentBernoulli(7, projection=False)
    for y in (0.0, 0.3, 1.0):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            log_prob = layer(logits).distribution.log_prob(y)
        expected = -np.logaddexp(0, -logits) * y - np.logaddexp(0, logits) * (1 - y)
        np.testing.assert_allclose(log_prob, expected, 1e-6, 1e-6)
        slopes = tape.gradient(log_prob, logits)
        np.testing.assert_allclose(slopes, y - tf.sigmoid(logits), 1e-5, 1e-6)


def test_a_quantized_logistic_is_a_distribution_over_256_values():
    layer = layers.IndependentQuantizedLogistic(2, projection=False)
    raw = tf.constant([[-1.2, 0.3, -3.0, 0.0], [0.0, 1.5, -6.0, -2.0]])
    pixel = layer(raw)
    values = tf.range(256.0)[:, None, None] * tf.ones((2, 2))
    probabilities = numpy(tf.exp(pixel.distribution.log_prob(values)))
    np.testing.assert_allclose(probabilities.sum(0), 1.0, atol=1e-5)
    mean = np.sum(np.arange(256)[:, None, None] * probabilities, 0)
    np.testing.assert_allclose(pixel.mean(), mean, rtol=1e-4)
    np.testing.assert_allclose(layers.center(pixel), pixel.mean())
    # The mass of a value is that of the unit interval around it, in units of half the range.
    loc, scale = 127.5, 127.5 * (np.log(2.0) + 1e-5)
    cdf = 1 / (1 + np.exp(-(np.array([99.5, 100.5]) - loc) / scale))
    np.testing.assert_allclose(
        layer(tf.zeros((1, 4))).distribution.prob(100.0)[0], [cdf[1] - cdf[0]] * 2, 1e-4
    )
    draws = pixel.sample(1000, seed=(0, 1)).numpy()
    assert np.all(draws == np.round(draws)) and draws.min() >= 0 and draws.max() <= 255
    np.testing.assert_allclose(draws.mean(0), mean, atol=15)


@pytest.mark.parametrize("cls", [layers.IndependentNormal, layers.OneHotCategorical])
def test_the_projection_keeps_space_or_maps_the_whole_event(cls):
    keeps = cls((4, 3, 2), network=constructors.keeps_space())
    keeps(constructors.IMAGES)
    units = 2 * 2 if cls is layers.IndependentNormal else 2
    assert keeps.weights[-2].shape == (3, units)
    whole = cls((4, 3, 2), network=constructors.mlp())
    whole(constructors.X)
    assert whole.weights[-2].shape == (4, units * 4 * 3)


# ---- Models ---------------------------------------------------------------------------------


def arrays_of(case):
    return (case.x,) if case.y is None else (case.x, case.y)


def model_outputs(model, case):
    """Every public method at fixed seeds."""
    arrays = arrays_of(case)
    result = {"call": model(case.x)}
    log_prob = {"num_samples": 4, "seed": 2}
    if case.y is None:
        result["sample"] = model.sample(3, seed=1)
        result["mean"] = model.sample(3, seed=1, mean=True)
        result["reconstruct"] = model.reconstruct(case.x)
        event_rows = (3,)
    else:
        result["sample"] = model.sample(case.x, 3, seed=1)
        result["mean"] = model.sample(case.x, 3, seed=1, mean=True)
        event_rows = (3, len(case.x))
    event = case.y.shape[1:] if case.y is not None else case.x.shape[1:]
    assert result["sample"].shape == result["mean"].shape == (*event_rows, *event)
    assert result["call"].shape == (len(case.x), *event)
    result["monte_carlo"] = model.log_prob(*arrays, method="monte_carlo", **log_prob)
    result["log_prob"] = model.log_prob(*arrays, **log_prob)
    if "elbo" in case.terms:
        result["elbo"] = model.elbo(*arrays, num_samples=2, seed=3)
        assert result["elbo"].shape == (len(case.x),)
    assert result["log_prob"].shape == result["monte_carlo"].shape == (len(case.x),)
    assert all(value.dtype == tf.float32 for value in result.values())
    return {key: np.asarray(value) for key, value in result.items()}


def check_logs(logs, terms, prefix=""):
    """Every name is there, the loss is the weighted sum of the terms, the ELBO the plain one."""
    assert {f"{prefix}{term}" for term in (*terms, "loss")} <= set(logs)
    values = {term: logs[f"{prefix}{term}"] for term in terms}
    assert np.all(np.isfinite(list(values.values())))
    expected = sum(weight * values[term] for term, weight in terms.items())
    np.testing.assert_allclose(logs[f"{prefix}loss"], expected, 1e-5, 1e-5)
    if "elbo" in terms:
        total = values["reconstruction"] + values["kl"]
        if not prefix:  # in validation the ELBO is that of the predictive distribution
            total += values.get("kl_weights", 0.0)
        np.testing.assert_allclose(values["elbo"], -total, 1e-5, 1e-5)
    if "hybrid" in terms:
        others = ("baseline", "multi_scale", "baseline_multi_scale")
        others += ("kl_weights",) if prefix else ()
        expected -= sum(values.get(term, 0.0) for term in others)
        np.testing.assert_allclose(values["hybrid"], -expected, 1e-5, 1e-5)


@mostly(MODELS)
def test_a_model_trains_and_is_restored(name, tmp_path):
    """fit on arrays with weights, validation and an uneven last batch; then the `.keras` file."""
    case = MODELS[name]
    model = case.make()
    metric = keras.metrics.MeanSquaredError(name="mse")
    model.compile(keras.optimizers.Adam(1e-2), metrics=[metric], jit_compile=False)
    arrays = arrays_of(case)
    weights = np.linspace(0.5, 1.5, len(case.x)).astype("float32")
    validation = (*arrays, *[None] * (2 - len(arrays)), weights)
    model.build(case.x.shape)
    before = model.get_weights()
    history = model.fit(
        *arrays,
        batch_size=6,
        epochs=2,
        verbose=0,
        sample_weight=weights,
        validation_data=validation if len(arrays) > 1 else (case.x,),
    ).history
    assert set(history) == {
        f"{prefix}{term}" for term in (*case.terms, "loss", "mse") for prefix in ("", "val_")
    }
    for epoch in range(2):
        logs = {key: values[epoch] for key, values in history.items()}
        check_logs(logs, case.terms)
        check_logs(logs, case.terms, "val_")
    trained = dict(zip([w.path for w in model.weights], zip(before, model.get_weights())))
    for weight in model.trainable_weights:
        first, last = trained[weight.path]
        assert np.any(first != last), weight.path
    assert int(model.optimizer.iterations) == 6

    expected = model_outputs(model, case)
    if name in ("vae", "cvae_labels"):
        np.testing.assert_allclose(model.predict(case.x, verbose=0), expected["call"], 1e-4, 1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    received = model_outputs(loaded, case)
    for key, value in expected.items():
        np.testing.assert_array_equal(received[key], value, err_msg=key)
    assert int(loaded.optimizer.iterations) == 6
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables):
        np.testing.assert_array_equal(a, b)
    del loaded
    gc.collect()


@over(MODELS)
def test_a_models_configuration_makes_the_same_model(name):
    model = MODELS[name].make()
    model(MODELS[name].x)
    copy = type(model).from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    copy(MODELS[name].x)
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(MODELS[name].x), model(MODELS[name].x))


@over(MODELS)
def test_a_models_summary_shows_its_parts(name):
    model = MODELS[name].make()
    model(MODELS[name].x)
    lines = []
    model.summary(line_length=200, print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    for part in ("encoder", "decoder", "recognition", "generation", "baseline", "prior"):
        layer = getattr(model, part, None)
        if layer is not None:
            assert layer.name in text
    assert f"Total params: {model.count_params():,}" in text


FED = ["vae", "cvae_labels"]


@over(MODELS, *FED)
def test_every_way_to_feed_a_model_trains_it_alike(name):
    """Arrays, datasets, `PyDataset`s, several steps in one call and two identical runs."""
    case = MODELS[name]
    plain = {"x": case.x, "shuffle": False, "batch_size": 8}
    arrays = (case.x,)
    if case.y is not None:
        weights = np.linspace(0.5, 1.5, len(case.x)).astype("float32")
        plain |= {"y": case.y, "sample_weight": weights}
        arrays = (case.x, case.y, weights)
    data = tf.data.Dataset.from_tensor_slices(arrays).batch(8)
    runs = {
        "arrays": (plain, {}),
        "dataset": ({"x": data, "shuffle": False}, {}),
        "PyDataset": ({"x": Batches(*arrays), "shuffle": False}, {}),
        "several steps": (plain, {"steps_per_execution": 2}),
    }
    results = {}
    for run, (arguments, compiling) in runs.items():
        keras.utils.set_random_seed(1)
        model = case.make()
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False, **compiling)
        logs = model.fit(**arguments, epochs=2, verbose=0).history
        results[run] = (model.get_weights(), {key: values[-1] for key, values in logs.items()})
    expected, logs = results.pop("arrays")
    for run, (weights, own_logs) in results.items():
        assert set(own_logs) == set(logs)
        for key, value in logs.items():
            np.testing.assert_allclose(own_logs[key], value, 1e-4, 1e-5, err_msg=f"{run} {key}")
        for a, b in zip(expected, weights):
            np.testing.assert_allclose(b, a, 1e-4, 1e-5, err_msg=run)


def test_two_seeded_runs_give_equal_weights():
    """With the noise's base seed from `set_random_seed`, shuffling on."""
    name = "cvae_baseline"

    def run():
        keras.utils.set_random_seed(5)
        case = MODELS[name]
        config = {**case.make().get_config()}
        del config["seed"]
        model = type(case.make()).from_config(config)
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        model.fit(*arrays_of(case), batch_size=4, epochs=2, verbose=0)
        return model.get_weights()

    for first, second in zip(run(), run()):
        np.testing.assert_array_equal(first, second)


@over(MODELS, "vae", "cvae_flow", "cvae_hybrid")
def test_xla_trains_as_graph_mode_does(name):
    """XLA draws other noise for a seed: terms without noise agree, the others in distribution."""
    case = MODELS[name]
    x = np.concatenate([case.x] * 32)
    y = None if case.y is None else np.concatenate([case.y] * 32)
    logs = {}
    for jit_compile in (False, True):
        keras.utils.set_random_seed(1)
        model = case.make()
        model.compile(keras.optimizers.SGD(1e-12), jit_compile=jit_compile)
        assert model.jit_compile is jit_compile
        history = model.fit(x, y, batch_size=512, verbose=0).history
        logs[jit_compile] = {key: values[0] for key, values in history.items()}
        check_logs(logs[jit_compile], case.terms)
    for key, value in logs[False].items():
        tolerance = {"baseline": 1e-4, "mmd": 1.0, "kl": 0.15}.get(key, 0.1)
        np.testing.assert_allclose(logs[True][key], value, tolerance, 0.05, err_msg=key)
    if name == "vae":
        np.testing.assert_allclose(logs[True]["kl"], logs[False]["kl"], 1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"], indirect=True)
@pytest.mark.parametrize("name", ["vae", "vae_tril_learned", "vae_importance", "cvae_hybrid"])
def test_models_train_in_other_precisions(name, policy, tmp_path):
    dtype = "float32" if policy == "mixed_bfloat16" else "float64"
    case = MODELS[name]
    model = case.make()
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    logs = model.fit(*arrays_of(case), batch_size=8, verbose=0, shuffle=False).history
    logs = {key: values[0] for key, values in logs.items()}
    check_logs(logs, case.terms)
    assert all(w.dtype == dtype for w in model.trainable_weights)
    scores = model.log_prob(*arrays_of(case), num_samples=3, seed=1)
    assert scores.dtype == dtype
    if policy == "mixed_bfloat16":
        keras.config.set_dtype_policy("float32")
        model.save(tmp_path / "half.keras")
        loaded = keras.saving.load_model(tmp_path / "half.keras")
        received = loaded.log_prob(*arrays_of(case), num_samples=3, seed=1)
        np.testing.assert_array_equal(received, scores)


# ---- What is easily wrong without an error --------------------------------------------------


def normalized():
    network = keras.Sequential(
        [keras.layers.Dense(4), keras.layers.BatchNormalization(momentum=0.5)]
    )
    return network, network.layers[-1]


@pytest.mark.parametrize("metrics", [None, ["mse"]])
def test_batch_normalization_updates_once_in_a_step(metrics):
    encoder_net, in_encoder = normalized()
    decoder_net, in_decoder = normalized()
    model = tfcvae.VAE(
        layers.IndependentNormal(2, encoder_net), layers.IndependentNormal(4, decoder_net), seed=0
    )
    model.compile(keras.optimizers.SGD(0.0), metrics=metrics, jit_compile=False)
    x = constructors.DATA
    model.fit(x, batch_size=16, verbose=0)
    hidden = encoder_net.layers[0](x)
    np.testing.assert_allclose(in_encoder.moving_mean, 0.5 * np.mean(hidden, 0), 1e-4, 1e-6)
    # Started at 1, with momentum 0.5: one update halves the distance, a second would quarter it.
    expected = 0.5 + 0.5 * np.var(hidden, 0)
    np.testing.assert_allclose(in_encoder.moving_variance, expected, 1e-4)
    assert np.any(in_decoder.moving_mean.numpy() != 0)
    moved = in_decoder.moving_mean.numpy().copy()
    model.evaluate(x, verbose=0)
    model.predict(x, verbose=0)
    model.log_prob(x, num_samples=2, seed=0)
    np.testing.assert_array_equal(in_decoder.moving_mean, moved)


def test_batch_normalization_of_a_cvae_updates_once_in_a_step():
    network, normalization = normalized()
    model = constructors.cvae(prior=layers.IndependentNormal(2, network))
    model.compile(keras.optimizers.SGD(0.0), metrics=["mse"], jit_compile=False)
    model.fit(constructors.DATA, constructors.TARGET, batch_size=16, verbose=0)
    hidden = network.layers[0](constructors.DATA)
    np.testing.assert_allclose(normalization.moving_mean, 0.5 * np.mean(hidden, 0), 1e-4, 1e-6)


@pytest.mark.parametrize("kind", ["free", "conditional"])
def test_pseudo_inputs_do_not_count_in_batch_normalization(kind):
    normalization = keras.layers.BatchNormalization(momentum=0.5)
    encoder = layers.IndependentNormal(2, networks.preprocessed(normalization, constructors.mlp()))
    vamp = priors.VampPrior(2, 6)
    if kind == "free":
        model = tfcvae.VAE(encoder, layers.IndependentNormal(4), vamp)
        data = (constructors.DATA,)
    else:
        model = tfcvae.CVAE(encoder, vamp, layers.IndependentNormal(2))
        data = constructors.DATA, constructors.TARGET
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    model.fit(*data, batch_size=16, verbose=0)
    expected = 0.5 * np.mean(constructors.DATA, 0)
    np.testing.assert_allclose(normalization.moving_mean, expected, 1e-4, 1e-6)


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.batches = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(dict(logs))


def test_a_schedule_of_the_kl_weight_is_not_frozen_by_tracing():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 4, end_learning_rate=1.0)
    model = constructors.vae(regularizers=[regularizers.KL(schedule)])
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    for step in range(6):
        logs = model.fit(constructors.DATA, batch_size=16, verbose=0).history
        logs = {key: values[0] for key, values in logs.items()}
        weight = (logs["loss"] - logs["reconstruction"]) / logs["kl"]
        assert weight == pytest.approx(min(step / 4, 1.0), abs=1e-3)
        assert logs["elbo"] == pytest.approx(-logs["reconstruction"] - logs["kl"], rel=1e-5)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_losses_do_not_accumulate_over_steps(run_eagerly):
    """The same batch, no learning, and the exact KL alone: every step has the same loss."""
    model = constructors.vae(layers.IndependentNormal(4, scale=1e6))
    model.compile(keras.optimizers.SGD(0.0), run_eagerly=run_eagerly, jit_compile=False)
    recorder = Recorder()
    model.fit(
        constructors.DATA, batch_size=16, epochs=4, verbose=0, callbacks=[recorder], shuffle=False
    )
    assert len(recorder.batches) == 4
    for logs in recorder.batches:
        check_logs(logs, constructors.ELBO)
        assert logs["loss"] == pytest.approx(recorder.batches[0]["loss"], rel=1e-6)
    assert len(model.losses) == 2


def regularized(**kwargs):
    return keras.Sequential([keras.layers.Dense(4, activation="tanh", **kwargs)])


@pytest.mark.parametrize("metrics", [None, ["mse"]])
def test_a_kernel_regularizer_joins_the_loss_once(metrics):
    networks_ = [regularized(kernel_regularizer=keras.regularizers.L2(0.1)) for _ in range(3)]
    model = constructors.cvae(
        recognition=layers.IndependentNormal(2, networks.mlp([4])),
        prior=layers.IndependentNormal(2, networks_[0]),
        baseline=None,
    )
    model.compile(keras.optimizers.SGD(0.0), metrics=metrics, jit_compile=False)
    logs = model.fit(constructors.DATA, constructors.TARGET, batch_size=16, verbose=0).history
    penalty = 0.1 * np.sum(np.square(networks_[0].layers[0].kernel))
    expected = logs["reconstruction"][0] + logs["kl"][0] + penalty
    assert penalty > 0.1
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("metrics", [None, ["mse"]])
def test_an_activity_regularizer_joins_the_loss_once(metrics):
    """`call` runs the same network for the prediction: its losses must not count again."""
    network = regularized(activity_regularizer=keras.regularizers.L2(1.0))
    model = tfcvae.VAE(layers.IndependentNormal(2, network), layers.IndependentNormal(4), seed=0)
    model.compile(keras.optimizers.SGD(0.0), metrics=metrics, jit_compile=False)
    logs = model.fit(constructors.DATA, batch_size=16, verbose=0).history
    network(constructors.DATA)
    penalty = float(sum(network.losses))
    assert penalty > 0.1
    received = logs["loss"][0] - logs["reconstruction"][0] - logs["kl"][0]
    assert received == pytest.approx(penalty, rel=1e-4)


def test_uneven_batches_weigh_by_their_rows():
    """Terms over a data set are means over its rows, whatever the batches."""
    model = constructors.vae(layers.IndependentNormal(4, scale=1e6))
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    whole = model.evaluate(constructors.DATA, batch_size=16, verbose=0, return_dict=True)
    parts = model.evaluate(constructors.DATA, batch_size=7, verbose=0, return_dict=True)
    assert parts["kl"] == pytest.approx(whole["kl"], rel=1e-5)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)


def test_a_frozen_baseline_does_not_train():
    model = constructors.cvae(baseline=True)
    model.baseline.trainable = False
    model.compile(keras.optimizers.Adam(0.1), jit_compile=False)
    model.build(constructors.DATA.shape)
    before = model.baseline.get_weights()
    logs = model.fit(constructors.DATA, constructors.TARGET, verbose=0).history
    for a, b in zip(before, model.baseline.get_weights()):
        np.testing.assert_array_equal(a, b)
    expected = logs["reconstruction"][0] + logs["kl"][0]
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_the_guess_of_the_baseline_carries_no_gradient():
    """The objective of the other parts does not move the baseline."""
    model = constructors.cvae(baseline=True)
    model(constructors.DATA)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.elbo(constructors.DATA, constructors.TARGET, seed=0))
    gradients = tape.gradient(loss, model.baseline.trainable_weights)
    assert all(g is None or not np.any(g) for g in gradients)


def test_training_noise_is_a_function_of_seed_and_step():
    """A run of four steps equals two of two, the second in a model loaded from a file."""
    case = MODELS["vae"]

    def compiled():
        keras.utils.set_random_seed(0)
        model = case.make()
        model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
        return model

    arguments = {"batch_size": 16, "verbose": 0, "shuffle": False}
    whole = compiled()
    whole.fit(case.x, epochs=4, **arguments)
    first = compiled()
    first.fit(case.x, epochs=2, **arguments)
    second = compiled()
    second.build(case.x.shape)
    second.optimizer.build(second.trainable_variables)
    second.set_weights(first.get_weights())
    for a, b in zip(second.optimizer.variables, first.optimizer.variables):
        a.assign(b)
    second.fit(case.x, epochs=2, **arguments)
    for a, b in zip(whole.get_weights(), second.get_weights()):
        np.testing.assert_allclose(a, b, 1e-6, 1e-7)


def test_an_unconditional_prior_of_a_cvae_ignores_x():
    model = constructors.cvae(prior=priors.MAF(2, **constructors.FLOW))
    assert model.prior_distribution(constructors.DATA).batch_shape.rank == 0
    assert model(constructors.DATA).shape == (16, 2)
    samples = model.sample(constructors.DATA, 3, seed=0)
    assert samples.shape == (3, 16, 2)
    assert len({tuple(row) for row in samples.numpy().reshape(-1, 2).round(5)}) == 48


@pytest.mark.parametrize("name", ["vae", "cvae"])
def test_seeds_of_the_public_methods(name):
    """An int s is the pair (0, s); no seed is fresh noise, which `set_random_seed` fixes."""
    case = MODELS[name]
    model = case.make()
    arguments = () if case.y is None else (case.x,)
    rest = (5,)

    def sample(**kwargs):
        return model.sample(*arguments, *rest, **kwargs).numpy()

    np.testing.assert_array_equal(sample(seed=7), sample(seed=(0, 7)))
    np.testing.assert_array_equal(sample(seed=7), sample(seed=tf.constant([0, 7])))
    assert np.any(sample(seed=7) != sample(seed=8))
    assert np.any(sample() != sample())
    keras.utils.set_random_seed(1)
    first = sample()
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(sample(), first)
    np.testing.assert_array_equal(
        model.log_prob(*arrays_of(case), num_samples=3, seed=7),
        model.log_prob(*arrays_of(case), num_samples=3, seed=(0, 7)),
    )


@pytest.mark.parametrize("name", ["vae", "cvae", "cvae_baseline"])
@pytest.mark.parametrize("method", ["sample", "log_prob", "elbo", "predict"])
def test_a_fresh_model_answers_as_a_built_one(name, method):
    """Whatever is called first builds the layers for a batch, not for sample axes."""
    case = MODELS[name]
    arguments = {
        "sample": ((5,) if case.y is None else (case.x, 5), {"seed": 1}),
        "log_prob": (arrays_of(case), {"num_samples": 3, "seed": 1}),
        "elbo": (arrays_of(case), {"num_samples": 3, "seed": 1}),
        "predict": ((case.x,), {"verbose": 0}),
    }
    args, kwargs = arguments[method]
    keras.utils.set_random_seed(1)
    fresh = case.make()
    received = getattr(fresh, method)(*args, **kwargs)
    built = case.make()
    built(case.x)
    fresh(case.x)
    assert [w.shape for w in fresh.weights] == [w.shape for w in built.weights]
    built.set_weights(fresh.get_weights())
    np.testing.assert_allclose(received, getattr(built, method)(*args, **kwargs), 1e-5, 1e-6)


FROZEN = [
    *("normal", "normal_shared", "learned_normal", "learned_normal_given", "maf", "mlp"),
    *("dense_flipout", "dense_variational"),
]


@over(TABLE, *FROZEN)
def test_a_frozen_layer_stays_frozen(name, tmp_path):
    """Frozen before it is built, or frozen, saved and loaded: nothing in it trains."""
    case = {**TABLE, **RANDOM}[name]
    early = case.make()
    early.trainable = False
    model = Alone(early, free=case.inputs is None)
    given = constructors.X if case.inputs is None else case.inputs
    model(given)
    assert model.weights and not model.trainable_weights and not model.losses
    late = Alone(case.make(), free=case.inputs is None)
    late(given)
    late.layer.trainable = False
    assert late.weights and not late.trainable_weights
    late.save(tmp_path / "frozen.keras")
    loaded = keras.saving.load_model(tmp_path / "frozen.keras")
    assert not loaded.trainable_weights
    early.trainable = True
    late.layer.trainable = True
    assert [w.shape for w in model.trainable_weights] == [w.shape for w in late.trainable_weights]
    assert len(model.losses) == len(late.losses) == (name in RANDOM)


@pytest.mark.parametrize("form", ["arrays", "dataset", "validation"])
def test_the_weights_of_a_vaes_rows_count(form):
    """Keras drops the `sample_weight` of arrays that come without y, silently."""
    x = constructors.DATA
    weights = np.linspace(0.0, 2.0, len(x)).astype("float32")
    model = constructors.vae(layers.IndependentNormal(4, scale=1e6))
    model.compile(keras.optimizers.SGD(0.0), jit_compile=False)
    kl = regularizers.kl_divergence(model.encode(x), model.prior_distribution(), None)
    pairs = tf.data.Dataset.from_tensor_slices((x, weights)).batch(16)
    arguments = {
        "arrays": {"x": x, "sample_weight": weights},
        "dataset": {"x": pairs.map(lambda x, w: (x, None, w))},
        "validation": {"x": x, "validation_data": (x, None, weights)},
    }
    logs = model.fit(**arguments[form], verbose=0).history
    received = logs["val_kl" if form == "validation" else "kl"][0]
    assert received == pytest.approx(np.mean(weights * kl), rel=1e-4)
    if form == "arrays":
        logs = model.evaluate(**arguments[form], verbose=0, return_dict=True)
        assert logs["kl"] == pytest.approx(np.mean(weights * kl), rel=1e-4)


def test_float16_scales_the_loss():
    """Keras wraps the optimizer under this policy, so that small gradients do not vanish."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        model = constructors.vae()
        model.compile("adam")
        assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    finally:
        keras.config.set_dtype_policy(before)
