"""Bad input is a `ValueError` that names the argument, before any training step."""

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import CLASSES, DATA, FLOW, MASKS, PIXELS, TARGET, Batches, cvae, mlp, vae

import tfcvae
from tfcvae import bijectors, evaluation, layers, networks, priors, regularizers


def as_arrays(*arrays):
    return arrays


def as_dataset(*arrays):
    data = arrays if len(arrays) > 1 else arrays[0]
    return (tf.data.Dataset.from_tensor_slices(data).batch(8),)


def as_py_dataset(*arrays):
    return (Batches(*arrays),)


FORMS = {"arrays": as_arrays, "tf.data": as_dataset, "PyDataset": as_py_dataset}


def bernoulli():
    return vae(layers.IndependentBernoulli(4, mlp()))


def image_vae(cls=layers.IndependentBernoulli):
    return vae(cls((4, 3, 1), networks.conv_decoder((4, 3), (2,))))


def image_cvae():
    return constructors.segmenter()


def quantized():
    return constructors.MODELS["vae_integers"].make()


def categorical():
    return cvae(y_size=3, generation=layers.OneHotCategorical(3, mlp()))


def labelled():
    return cvae(num_classes=3, y_size=4)


def with_nan(x):
    x = x.copy()
    x[1, 0] = np.nan
    return x


def with_infinity(x):
    x = x.copy()
    x[1, 0] = np.inf
    return x


UINT8 = (255 * MASKS).astype("uint8")
GREY = np.abs(DATA) / 10

# name: (model, the arrays, the argument that the message names)
DATA_CASES = {
    "vae_rank": (vae, (DATA[:, :, None],), "x"),
    "vae_event_shape": (vae, (DATA[:, :3],), "x"),
    "vae_flat_images": (image_vae, (MASKS.reshape(16, 12),), "x"),
    "vae_images_without_channels": (image_vae, (MASKS[..., 0],), "x"),
    "vae_nan": (vae, (with_nan(DATA),), "x"),
    "vae_infinity": (vae, (with_infinity(DATA),), "x"),
    "vae_with_y": (vae, (DATA, TARGET), "y"),
    "vae_above_one": (bernoulli, (1 + GREY,), "x"),
    "vae_below_zero": (bernoulli, (-GREY,), "x"),
    "vae_continuous_bernoulli": (
        lambda: vae(layers.IndependentContinuousBernoulli(4, mlp())),
        (10 * GREY,),
        "x",
    ),
    "vae_unscaled_images": (image_vae, (UINT8,), "x"),
    "vae_unscaled_images_normal": (lambda: image_vae(layers.IndependentNormal), (UINT8,), "x"),
    "vae_unscaled_flat_images": (
        lambda: vae(layers.IndependentBernoulli(12, mlp())),
        (UINT8.reshape(16, 12),),
        "x",
    ),
    "vae_unscaled_flat_images_normal": (
        lambda: vae(layers.IndependentNormal(12, mlp())),
        (UINT8.reshape(16, 12),),
        "x",
    ),
    "vae_quantized_fractions": (quantized, (PIXELS / 255,), "x"),
    "vae_quantized_above_255": (quantized, (PIXELS + 1000,), "x"),
    "cvae_without_y": (cvae, (DATA,), "y"),
    "cvae_y_rank": (cvae, (DATA, TARGET[:, 0]), "y"),
    "cvae_y_event_shape": (cvae, (DATA, DATA), "y"),
    "cvae_x_nan": (cvae, (with_nan(DATA), TARGET), "x"),
    "cvae_y_nan": (cvae, (DATA, with_nan(TARGET)), "y"),
    "cvae_y_out_of_support": (
        lambda: cvae(generation=layers.IndependentBernoulli(2, mlp())),
        (DATA, 5 + TARGET),
        "y",
    ),
    "cvae_y_not_one_hot": (categorical, (DATA, np.ones((16, 3), "float32")), "y"),
    "cvae_y_class_numbers": (categorical, (DATA, np.zeros(16, "int64")), "y"),
    "cvae_labels_above_num_classes": (labelled, (CLASSES + 3, DATA), "x"),
    "cvae_labels_below_zero": (labelled, (CLASSES - 3, DATA), "x"),
    "cvae_unscaled_x": (image_cvae, (UINT8, MASKS), "x"),
    "cvae_unscaled_y": (image_cvae, (MASKS, UINT8), "y"),
}


def compiled(make):
    model = make()
    model.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    return model


class Spy(keras.callbacks.Callback):
    """Counts the batches that began."""

    def __init__(self):
        super().__init__()
        self.batches = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.batches += 1


def assert_refused(model, argument, method="fit", **kwargs):
    """A `ValueError` in Keras's form, and no training step."""
    spy = Spy()
    with pytest.raises(ValueError) as error:
        getattr(model, method)(**kwargs, callbacks=[spy], verbose=0)
    message = str(error.value)
    assert f"`{argument}`" in message, message
    assert "Received:" in message, message
    assert spy.batches == 0 and int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DATA_CASES)
def test_bad_data_are_refused(name, form):
    make, arrays, argument = DATA_CASES[name]
    data = FORMS[form](*arrays)
    model = compiled(make)
    assert_refused(model, argument, **dict(zip(("x", "y"), data)))
    if form != "arrays":
        return
    assert_refused(model, argument, "evaluate", **dict(zip(("x", "y"), data)))


@pytest.mark.parametrize("form", FORMS)
def test_bad_validation_data_are_refused_before_training(form):
    x = FORMS[form](with_nan(DATA), TARGET)
    validation = x if form == "arrays" else x[0]
    model = compiled(cvae)
    spy = Spy()
    with pytest.raises(ValueError, match="validation x[\\s\\S]*Received:"):
        model.fit(DATA, TARGET, validation_data=validation, callbacks=[spy], verbose=0)
    assert spy.batches == 0


@pytest.mark.parametrize("name", ["vae", "cvae"])
@pytest.mark.parametrize("form", FORMS)
def test_empty_data_are_refused(name, form):
    case = constructors.MODELS[name]
    arrays = [case.x[:0]] if case.y is None else [case.x[:0], case.y[:0]]
    data = FORMS[form](*arrays)
    assert_refused(compiled(case.make), "x", **dict(zip(("x", "y"), data)))


def test_a_fit_without_data_is_refused():
    assert_refused(compiled(vae), "x")


def test_lengths_that_differ_are_refused():
    assert_refused(compiled(cvae), "y", x=DATA, y=TARGET[:10])
    assert_refused(compiled(cvae), "y", x=Batches(DATA, TARGET[:4]))
    weights = np.ones(10, "float32")
    assert_refused(compiled(vae), "sample_weight", x=DATA, sample_weight=weights)


@pytest.mark.parametrize("weight", [-1.0, np.nan])
def test_bad_sample_weights_are_refused(weight):
    weights = np.full(16, weight, "float32")
    assert_refused(compiled(vae), "sample_weight", x=DATA, sample_weight=weights)
    model, data = compiled(cvae), tf.data.Dataset.from_tensor_slices((DATA, TARGET, weights))
    assert_refused(model, "sample_weight", x=data.batch(8))


@pytest.mark.parametrize("size", [3, 5])
def test_x_of_another_size_than_the_model_was_built_for_is_refused(size):
    """A CVAE knows the shape of x from the first x that it saw."""
    model = compiled(cvae)
    model(DATA)
    x = np.zeros((16, size), "float32")
    assert_refused(model, "x", x=x, y=TARGET)
    for ask in [
        lambda: model.log_prob(x, TARGET, num_samples=2, seed=0),
        lambda: model.sample(x, 2, seed=0),
        lambda: model.elbo(x, TARGET, seed=0),
        lambda: model(x),
    ]:
        with pytest.raises(ValueError, match="Received:"):
            ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.encode(DATA[:, :3]),
        lambda m: m(DATA[:, :3]),
        lambda m: m.decode(np.zeros((5, 3), "float32")),
        lambda m: m.elbo(DATA[:, :3]),
        lambda m: m.log_prob(DATA[0]),
    ],
)
def test_the_methods_of_a_vae_refuse_other_shapes(ask):
    model = vae()
    model(DATA)
    with pytest.raises(ValueError, match="Received:"):
        ask(model)


def test_an_infinite_dataset_has_its_shapes_checked():
    good = tf.data.Dataset.from_tensor_slices(DATA).batch(8).repeat()
    model = compiled(vae)
    model.fit(good, steps_per_epoch=1, verbose=0)
    assert int(model.optimizer.iterations) == 1
    bad = tf.data.Dataset.from_tensor_slices(DATA[:, :3]).batch(8).repeat()
    assert_refused(compiled(vae), "x", x=bad, steps_per_epoch=1)
    assert_refused(compiled(cvae), "y", x=good, steps_per_epoch=1)
    weighted = good.map(lambda x: (x, None, tf.ones(8)))
    model.fit(weighted, steps_per_epoch=1, verbose=0)
    assert int(model.optimizer.iterations) == 2


# ---- Arguments ------------------------------------------------------------------------------


def normal(size, network=None):
    return layers.IndependentNormal(size, network)


def fixed_decoder():
    """A decoder whose network takes vectors of size 3 alone."""
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    return vae(normal(4, network))(DATA)


@keras.saving.register_keras_serializable("tests")
def scalars():
    """Two normal variables, where one of two dimensions is meant."""
    return tfp.distributions.Normal(tf.zeros(2), 1.0)


ARGUMENTS = {
    "latent_sizes": (lambda: vae(prior=priors.StandardNormal(3)), "prior"),
    "latent_sizes_flow": (lambda: vae(prior=priors.MAF(3, **FLOW)), "prior"),
    "latent_sizes_cvae": (lambda: cvae(prior=normal(3, mlp())), "prior"),
    "latent_size_of_the_decoder": (fixed_decoder, "decoder"),
    "latent_of_rank_two": (lambda: tfcvae.VAE(normal((2, 2)), normal(4)), "encoder"),
    "conditional_prior_of_a_vae": (lambda: vae(prior=priors.LearnedNormal(2, mlp())), "prior"),
    "encoder_is_no_layer": (lambda: tfcvae.VAE(None, normal(4)), "encoder"),
    "encoder_is_no_distribution_layer": (lambda: tfcvae.VAE(mlp(), normal(4)), "encoder"),
    "prior_is_a_distribution": (lambda: vae(prior=normal(2)(DATA)), "prior"),
    "recognition": (lambda: cvae(recognition=None), "recognition"),
    "cvae_without_prior": (lambda: cvae(prior=None), "prior"),
    "cvae_generation": (lambda: cvae(generation=mlp()), "generation"),
    "baseline": (
        lambda: tfcvae.CVAE(normal(2), normal(2), normal(4), baseline=normal(3)),
        "baseline",
    ),
    "alpha_above": (lambda: cvae(alpha=1.5), "alpha"),
    "alpha_below": (lambda: cvae(alpha=-0.1), "alpha"),
    "alpha_text": (lambda: cvae(alpha="1"), "alpha"),
    "negative_weight": (lambda: vae(regularizers=[regularizers.KL(-1.0)]), "weight"),
    "regularizer": (lambda: vae(regularizers=["kl"]), "regularizers"),
    "regularizers_not_in_a_list": (lambda: vae(regularizers=regularizers.KL()), "regularizers"),
    "regularizers_twice": (
        lambda: vae(regularizers=[regularizers.KL(), regularizers.KL()]),
        "regularizers",
    ),
    "regularizer_name": (lambda: vae(regularizers=[regularizers.MMD(name="loss")]), "regularizers"),
    "num_samples": (lambda: vae(num_samples=0), "num_samples"),
    "num_samples_float": (lambda: vae(num_samples=1.5), "num_samples"),
    "importance": (
        lambda: vae(importance_weighted=True, regularizers=[regularizers.KL(0.5)]),
        "importance_weighted=True",
    ),
    "seed": (lambda: vae().encode(DATA) and vae().sample(2, seed=1.5), "seed"),
    "loss": (lambda: vae().compile(loss="mse"), "loss"),
    "method_cvae": (lambda: cvae().log_prob(DATA, TARGET, method="bridge"), "method"),
    "method_vae": (lambda: vae().log_prob(DATA, method="bridge"), "method"),
    "method_evaluation": (
        lambda: evaluation.log_likelihood(vae(), DATA, method="bridge", verbose=0),
        "method",
    ),
    "samples": (lambda: vae().sample(0), "num_samples"),
    "samples_cvae": (lambda: cvae().sample(DATA, -1), "num_samples"),
    "samples_log_prob": (lambda: vae().log_prob(DATA, num_samples=0), "num_samples"),
    "samples_elbo": (lambda: vae().elbo(DATA, num_samples=0), "num_samples"),
    "event_shape": (lambda: normal(0), "event_shape"),
    "event_shape_float": (lambda: normal((2, 1.5)), "event_shape"),
    "event_shape_empty": (lambda: normal(()), "event_shape"),
    "event_size": (lambda: layers.MultivariateNormalTriL(-1), "event_size"),
    "event_size_prior": (lambda: priors.MAF(0), "event_size"),
    "event_size_coupling": (lambda: priors.RealNVP(1), "event_size"),
    "num_steps": (lambda: priors.MAF(2, num_steps=0), "num_steps"),
    "hidden_units": (lambda: priors.MAF(2, hidden_units=(0,)), "hidden_units"),
    "scale": (lambda: layers.IndependentNormal(2, scale=-1.0), "scale"),
    "scale_text": (lambda: layers.IndependentNormal(2, scale="learned"), "scale"),
    "network": (lambda: normal(2, network=[4]), "network"),
    "network_function": (lambda: normal(2, network=lambda x: x)(DATA), "network"),
    "lambda_unregistered": (
        lambda: layers.DistributionLambda(lambda x: x, 2),
        "make_distribution_fn",
    ),
    "raw_parameters": (
        lambda: layers.IndependentNormal(3, projection=False)(DATA),
        "projection=False",
    ),
    "units": (lambda: networks.mlp([]), "units"),
    "num_classes": (lambda: networks.mlp([4], num_classes=0), "num_classes"),
    "labels_without_num_classes": (lambda: mlp()(constructors.LABELS), "num_classes"),
    "image_size": (lambda: networks.conv_decoder((4, 3, 1)), "image_size"),
    "no_image": (lambda: networks.conv_encoder()(DATA), "conv_encoder"),
    "pooling": (lambda: networks.conv_encoder(pooling="sum"), "pooling"),
    "mixing": (lambda: priors.MAF(2, mixing="shuffle"), "mixing"),
    "base_size": (lambda: priors.MAF(2, base=priors.StandardNormal(3)), "base"),
    "base_of_no_prior": (lambda: priors.MAF(2, base=normal(2)), "base"),
    "base_kind": (lambda: layers.FlowPosterior(mlp()), "base"),
    "base_of_images": (lambda: layers.FlowPosterior(normal((2, 2))), "base"),
    "num_bins": (lambda: priors.NeuralSplineFlow(2, num_bins=1), "num_bins"),
    "tail_bound": (lambda: priors.NeuralSplineFlow(2, tail_bound=0.0), "tail_bound"),
    "covariance": (lambda: priors.LearnedNormal(2, covariance="low_rank"), "covariance"),
    "covariance_mixture": (lambda: priors.GaussianMixture(2, 3, "low_rank"), "covariance"),
    "component": (lambda: layers.MixtureSameFamily(2, layers.IndependentNormal(3)), "component"),
    "latent_size": (lambda: priors.SecondStage(2, -1), "latent_size"),
    "latent_size_none": (lambda: priors.SecondStage(2, 0), "latent_size"),
    "pseudo_inputs": (lambda: priors.VampPrior(2, pseudo_inputs=5), "pseudo_inputs"),
    "too_many_bins": (lambda: priors.NeuralSplineFlow(2, num_bins=2000), "num_bins"),
    "scales": (lambda: regularizers.MMD(scales=3), "scales"),
    "scales_below_zero": (lambda: regularizers.MMD(scales=(1.0, -1.0)), "scales"),
    "ramp": (lambda: tfcvae.schedules.Cyclical(10, ramp="a"), "ramp"),
    "ramp_above": (lambda: tfcvae.schedules.Cyclical(10, ramp=2.0), "ramp"),
    "num_groups": (lambda: regularizers.KL(num_groups=3), "num_groups"),
    "num_groups_of_a_flow": (
        lambda: compiled(
            lambda: vae(
                prior=priors.RealNVP(2), regularizers=[regularizers.KL(free_bits=1.0, num_groups=2)]
            )
        ).fit(DATA, verbose=0),
        "num_groups",
    ),
    "target_without_events": (
        lambda: compiled(
            lambda: vae(regularizers=[regularizers.KL(), regularizers.MMD(target=scalars)])
        ).fit(DATA, verbose=0),
        "target",
    ),
    "network_of_standard_normal": (
        lambda: priors.StandardNormal(2, network=keras.layers.Dense(2)),
        "network",
    ),
    "network_of_vamp_prior": (
        lambda: priors.VampPrior(2, network=keras.layers.Dense(2)),
        "network",
    ),
    "max_log_scale": (lambda: bijectors.Affine(max_log_scale=0.0), "max_log_scale"),
    "initial_scale": (
        lambda: layers.default_mean_field_normal_fn(initial_scale=-1.0),
        "initial_scale",
    ),
    "bias_posterior_fn": (
        lambda: layers.DenseFlipout(2, 10, bias_posterior_fn="x"),
        "bias_posterior_fn",
    ),
    "make_posterior_fn": (lambda: layers.DenseVariational(1, None, None, 3), "make_posterior_fn"),
    "second_stage_of_a_cvae": (lambda: priors.SecondStage.fit_to(cvae(), DATA), "vae"),
    "second_stage_of_a_dataset": (
        lambda: priors.SecondStage.fit_to(vae(), tf.data.Dataset.from_tensors(DATA)),
        "x",
    ),
    "second_stage_warm_up": (
        lambda: priors.SecondStage.fit_to(vae(), DATA, warm_up="long"),
        "warm_up",
    ),
    "threshold": (lambda: regularizers.GECO(float("nan")), "threshold"),
    "loc": (lambda: priors.BayesianNormal(2, 10, loc=float("nan")), "loc"),
    "loc_stddev": (lambda: layers.default_mean_field_normal_fn(loc_stddev=-1.0), "loc_stddev"),
    "second_stage_nan": (lambda: priors.SecondStage.fit_to(vae(), with_nan(DATA)), "x"),
    "importance_of_a_gsnn": (lambda: cvae(alpha=0, importance_weighted=True), "alpha=0"),
    "batch_size": (lambda: compiled(vae).fit(DATA, batch_size=0), "batch_size"),
    "sample_weight": (
        lambda: compiled(vae).fit(DATA, sample_weight=np.full(16, "a")),
        "sample_weight",
    ),
    "unet_of_any_size": (lambda: networks.unet().build((None, None, None, 3)), "unet"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_bad_arguments_name_themselves(name):
    make, argument = ARGUMENTS[name]
    with pytest.raises(ValueError) as error:
        make()
    assert f"`{argument}`" in str(error.value), error.value
    assert "Received:" in str(error.value), error.value


def test_a_gsnn_has_no_importance_sampling():
    model = cvae(alpha=0.0)
    for ask in [
        lambda: model.elbo(DATA, TARGET),
        lambda: model.log_prob(DATA, TARGET, method="importance"),
        lambda: cvae(recognition=False, alpha=0.0).recognize(DATA, TARGET),
    ]:
        with pytest.raises(ValueError, match="Received:"):
            ask()


# ---- NaN during training --------------------------------------------------------------------


@keras.saving.register_keras_serializable("tests")
class Poison(regularizers.Regularizer):
    """A term that is not finite from some step on."""

    def __init__(self, weight=1.0, name="poison", start=3, value=float("nan")):
        super().__init__(weight, name)
        self.start, self.value = start, value

    def penalty(self, posterior, prior, z, *, step, seed, sample_weight=None):
        bad = tf.constant(self.value, z.dtype)
        return tf.where(step >= self.start, bad, tf.reduce_mean(z**2))


@pytest.mark.parametrize("value,steps_per_execution", [(np.nan, 1), (np.inf, 2)])
def test_nan_stops_training_with_the_weights_of_the_last_good_epoch(value, steps_per_execution):
    poison = Poison(start=3, value=value)
    model = vae(regularizers=[regularizers.KL(), poison])
    model.compile(
        keras.optimizers.Adam(0.01), jit_compile=False, steps_per_execution=steps_per_execution
    )
    weights = []
    keep = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: weights.append(model.get_weights())
    )
    with pytest.raises(FloatingPointError, match="'poison'"):
        model.fit(DATA, batch_size=8, epochs=4, verbose=0, callbacks=[keep])
    assert len(weights) == 2
    assert int(model.optimizer.iterations) == 2
    for saved, restored in zip(weights[-1], model.get_weights()):
        np.testing.assert_array_equal(restored, saved)
        assert np.all(np.isfinite(restored))


@pytest.mark.parametrize("name", ["vae", "cvae_baseline"])
def test_nan_in_later_data_names_the_term(name):
    """The first batch is checked before training, the others as they come."""
    case = constructors.MODELS[name]
    model = compiled(case.make)
    model(case.x)
    before = model.get_weights()
    arrays = [np.array(a) for a in (case.x, case.y) if a is not None]
    arrays[-1][12:] = np.nan
    with pytest.raises(FloatingPointError, match="'reconstruction'[\\s\\S]*Received:"):
        model.fit(*arrays, batch_size=8, verbose=0, shuffle=False)
    for a, b in zip(before, model.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_the_guard_leaves_good_training_alone():
    model = compiled(vae)
    spy = Spy()
    history = model.fit(DATA, epochs=2, verbose=0, callbacks=spy)
    assert spy.batches == 2 and len(history.history["loss"]) == 2
