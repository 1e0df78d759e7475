"""Exported signatures give what the Python methods give."""

import numpy as np
import pytest
import tensorflow as tf

import tfcvae
from tfcvae import layers, networks, priors, serving

SEED = tf.constant([3, 4])


def mlp(**kwargs):
    return networks.mlp([8], **kwargs)


def small_vae():
    vae = tfcvae.VAE(
        layers.IndependentNormal(3, network=mlp()),
        layers.IndependentBernoulli((4, 4, 1), network=mlp()),
        prior=priors.MAF(3, num_steps=2, hidden_units=(8,)),
    )
    vae.build((None, 4, 4, 1))
    return vae


def small_cvae():
    labels = {"num_classes": 10}
    cvae = tfcvae.CVAE(
        layers.MultivariateNormalTriL(3, network=mlp(**labels)),
        priors.RealNVP(3, num_steps=2, hidden_units=(8,), network=mlp(**labels)),
        layers.IndependentNormal(5, network=mlp(**labels)),
    )
    cvae.build((None,))
    return cvae


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Both models, the base directory, and the signatures of their two versions."""
    base = tmp_path_factory.mktemp("models")
    models = small_vae(), small_cvae()
    paths = [serving.export(model, base) for model in models]
    loaded = [tf.saved_model.load(str(path)) for path in paths]
    return models, base, paths, loaded


def test_versions_are_complete_directories_numbered_from_one(exported):
    (vae, _), base, paths, _ = exported
    assert [path.name for path in paths] == ["1", "2"]
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]
    with pytest.raises(ValueError, match=r"`version` must be new.*Received: version=2"):
        serving.export(vae, base, version=2)
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]


def test_signatures_of_a_vae(exported):
    (vae, _), _, _, (loaded, _) = exported
    call = loaded.signatures
    names = ["reconstruct", "encode", "decode", "generate", "log_prob", "serving_default"]
    assert list(call) == names
    x = tf.constant(np.random.default_rng(0).integers(0, 2, (6, 4, 4, 1)), tf.float32)
    z = tf.random.stateless_normal([6, 3], SEED)
    equal(call["serving_default"](x=x)["reconstruction"], vae.reconstruct(x))
    equal(call["encode"](x=x)["stddev"], vae.encode(x).stddev())
    equal(call["decode"](z=z)["mean"], vae.decode(z).mean())
    drawn = call["generate"](num_samples=tf.constant(5), seed=SEED)
    equal(drawn["samples"], vae.sample(5, seed=SEED))
    equal(drawn["means"], vae.sample(5, seed=SEED, mean=True))
    scored = call["log_prob"](x=x, num_samples=tf.constant(20), seed=SEED)
    equal(scored["log_prob"], vae.log_prob(x, 20, seed=SEED), 1e-5)


def test_signatures_of_a_cvae_with_integer_labels(exported):
    (_, cvae), _, _, (_, loaded) = exported
    call = loaded.signatures
    assert list(call) == ["predict", "generate", "log_prob", "recognize", "serving_default"]
    x = tf.constant([1, 2, 7])
    y = tf.random.stateless_normal([3, 5], SEED)
    equal(call["serving_default"](x=x)["prediction"], cvae(x))
    drawn = call["generate"](x=x, num_samples=tf.constant(4), seed=SEED)
    equal(tf.transpose(drawn["samples"], [1, 0, 2]), cvae.sample(x, 4, seed=SEED))
    equal(tf.transpose(drawn["means"], [1, 0, 2]), cvae.sample(x, 4, seed=SEED, mean=True))
    equal(call["recognize"](x=x, y=y)["mean"], cvae.recognize(x, y).mean())
    scored = call["log_prob"](x=x, y=y, num_samples=tf.constant(20), seed=SEED)
    equal(scored["log_prob"], cvae.log_prob(x, y, 20, seed=SEED), 1e-5)


def test_a_model_that_was_never_built_is_refused(tmp_path):
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3))
    with pytest.raises(ValueError, match=r"`model` must be built.*Received"):
        serving.export(vae, tmp_path / "base")
    assert not (tmp_path / "base").exists()


def equal(actual, expected, rtol=1e-6):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-6)
