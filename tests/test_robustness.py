"""Whatever a user passes, the answer is a result or an error that names the argument."""

import math

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tfcvae
from tfcvae import bijectors, callbacks, evaluation, layers, networks, priors, regularizers

BAD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 0),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-2, 0), max_size=2),
    st.just({}),
    st.just(np.zeros(2)),
)
"""Values that are good for no size, count, shape or list of widths."""

SIZES = {
    "IndependentNormal.event_shape": lambda v: layers.IndependentNormal(v),
    "IndependentBernoulli.event_shape": lambda v: layers.IndependentBernoulli(v),
    "OneHotCategorical.event_shape": lambda v: layers.OneHotCategorical(v),
    "MixtureNormal.num_components": lambda v: layers.MixtureNormal(v, 3),
    "StandardNormal.event_size": lambda v: priors.StandardNormal(v),
    "MAF.event_size": lambda v: priors.MAF(v),
    "MAF.num_steps": lambda v: priors.MAF(2, num_steps=v),
    "RealNVP.hidden_units": lambda v: priors.RealNVP(2, hidden_units=v),
    "GaussianMixture.num_components": lambda v: priors.GaussianMixture(2, v),
    "VampPrior.num_components": lambda v: priors.VampPrior(2, v),
    "BayesianNormal.num_examples": lambda v: priors.BayesianNormal(2, v),
    "LinearMixing.event_size": lambda v: bijectors.LinearMixing(v),
    "ActNorm.event_size": lambda v: bijectors.ActNorm(v),
    "Autoregressive.event_size": lambda v: bijectors.Autoregressive(v),
    "RationalQuadratic.num_bins": lambda v: bijectors.RationalQuadratic(v),
    "DenseFlipout.units": lambda v: layers.DenseFlipout(v, 10),
    "DenseFlipout.num_examples": lambda v: layers.DenseFlipout(2, v),
    "mlp.units": lambda v: networks.mlp(v),
    "conv_decoder.image_size": lambda v: networks.conv_decoder(v),
    "VAE.num_samples": lambda v: vae(num_samples=v),
    "CollapseWarning.patience": lambda v: callbacks.CollapseWarning(patience=v),
}


def vae(**arguments):
    encoder, decoder = layers.IndependentNormal(2), layers.IndependentBernoulli(3)
    return tfcvae.VAE(encoder, decoder, seed=0, **arguments)


@pytest.mark.parametrize("name", SIZES)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(value=BAD)
def test_bad_sizes_are_named(name, value):
    argument = name.split(".")[1]
    with pytest.raises((ValueError, TypeError), match=argument):
        SIZES[name](value)


def _is_number(value):
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and 0 <= value < math.inf


NUMBERS = {
    "KL.weight": lambda v: regularizers.KL(v),
    "KL.free_bits": lambda v: regularizers.KL(free_bits=v),
    "MMD.weight": lambda v: regularizers.MMD(v),
    "GECO.rate": lambda v: regularizers.GECO(1.0, rate=v),
    "BlockOmission.max_fraction": lambda v: layers.BlockOmission(v),
    "RationalQuadratic.tail_bound": lambda v: bijectors.RationalQuadratic(4, v),
    "CollapseWarning.threshold": lambda v: callbacks.CollapseWarning(v),
}


@pytest.mark.parametrize("name", NUMBERS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    value=BAD.filter(lambda v: not (isinstance(v, (int, float)) and 0 <= v < math.inf))
    | st.booleans()
)
def test_bad_numbers_are_named(name, value):
    argument = name.split(".")[1]
    with pytest.raises((ValueError, TypeError), match=argument):
        NUMBERS[name](value)


@pytest.fixture(scope="module")
def trained():
    model = vae()
    model.build((None, 3))
    model.compile("adam")
    return model


DATA = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=3),
    st.just([]),
    st.just({"x": np.zeros((2, 3))}),
    st.just(np.zeros((0, 3), "float32")),
    st.just(np.zeros((2, 4), "float32")),
    st.just(np.zeros(3, "float32")),
    st.just(np.full((2, 3), np.nan, "float32")),
    st.just(np.full((2, 3), np.inf)),
    st.just(np.full((2, 3), 7.0, "float32")),
    st.just(np.full((2, 3), "a")),
    st.just(np.full((2, 3), 200, "uint8")),
    st.just(np.zeros((2, 3), complex)),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(x=DATA, method=st.sampled_from(["fit", "evaluate"]))
def test_bad_data_are_named_before_any_step(trained, x, method):
    before = [w.copy() for w in trained.get_weights()]
    with pytest.raises((ValueError, TypeError), match="`x`"):
        getattr(trained, method)(x, verbose=0)
    for a, b in zip(before, trained.get_weights()):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.one_of(st.floats(), st.text(max_size=3), st.lists(st.integers(), max_size=4)))
def test_bad_seeds_are_named(trained, seed):
    if isinstance(seed, list) and len(seed) == 2 and all(abs(s) < 2**31 for s in seed):
        seed = [*seed, 1]
    with pytest.raises((ValueError, TypeError), match="seed"):
        trained.sample(1, seed=seed)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(count=BAD)
def test_bad_counts_are_named(trained, count):
    x = np.zeros((2, 3), "float32")
    for call in (
        lambda: trained.sample(count, seed=0),
        lambda: trained.log_prob(x, count, seed=0),
        lambda: evaluation.log_likelihood(trained, x, count, verbose=0),
    ):
        with pytest.raises((ValueError, TypeError), match="num_samples"):
            call()


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((1, 3), "float32"),
        np.ones((5, 3), "float64"),
        np.ones((5, 3), "int64"),
        np.ones((5, 3), "uint8"),
        np.ones((5, 3), bool),
        np.ones((5, 3), "float16"),
    ],
    ids=lambda x: f"{x.dtype}-{len(x)}",
)
def test_unusual_data_train(trained, x):
    assert np.isfinite(trained.fit(x, batch_size=2, verbose=0).history["loss"][0])
    assert trained.predict(x, verbose=0).dtype == "float32"


EXTREMES = {
    "long latents": (lambda: layers.IndependentNormal(3000), layers.IndependentBernoulli(3)),
    "one pixel": (lambda: layers.IndependentNormal(2), layers.IndependentBernoulli((1, 1, 1))),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_shapes_train(name):
    encoder, decoder = EXTREMES[name]
    model = tfcvae.VAE(encoder(), decoder)
    model.compile("adam")
    x = np.ones((4, *decoder.event_shape), "float32")
    assert np.isfinite(model.fit(x, verbose=0).history["elbo"][0])
    assert np.all(np.isfinite(model.log_prob(x, 5, seed=0)))


def test_a_loaded_file_runs_no_code(tmp_path):
    """A lambda is refused when it is saved or when it is loaded, unless the user turns that off."""
    encoder = layers.IndependentNormal(2, network=keras.layers.Lambda(lambda x: x * 2))
    model = tfcvae.VAE(encoder, layers.IndependentNormal(3))
    model.build((None, 3))
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="safe_mode|lambda"):
        keras.saving.load_model(tmp_path / "model.keras")
