"""Exported signatures give what the Python methods give."""

import concurrent.futures
import functools
import json
import os
import shutil
import subprocess
import sys

import constructors
import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner

import tfcvae
from tfcvae import layers, networks, priors, serving
from tfcvae.cli import main

pytestmark = pytest.mark.xdist_group("serving")

SEED = tf.constant([3, 4])
OTHER_LIBRARIES = os.environ.get("TFCVAE_TENSORFLOWS", "").split(os.pathsep)
"""Directories of further `tensorflow` packages whose libraries must load every version."""


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


def linear_vae():
    vae = tfcvae.VAE(layers.IndependentNormal(2), layers.IndependentNormal(3))
    vae.build((None, 3))
    return vae


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
    names = ["reconstruct", "encode", "decode", "generate", "generate_rows", "log_prob"]
    assert list(call) == [*names, "decode_noise", "serving_default"]
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
    names = ["predict", "generate", "generate_rows", "log_prob", "recognize", "serving_default"]
    assert list(call) == names
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


# ---- Every prior and likelihood, in the C++ loader ---------------------------------------------

IN_EVERY_RUN = {"spline", "mixture_given", "second_stage", "categorical_pixels"}
NOT_DECODERS = {"flow_posterior", "flow_posterior_linear", "autoregressive_transform", "lambda"}


def _served():
    """Models by name: each prior as p(z) or p(z|x), and each likelihood of vectors."""
    for name, case in constructors.PRIORS.items():
        if case.inputs is None and case.event_shape == (3,):
            yield name, functools.partial(_vae, prior=case.make)
        elif case.inputs is constructors.X:
            yield name, functools.partial(_cvae, case.make, *case.event_shape)
    for name, case in constructors.LAYERS.items():
        if case.inputs is constructors.X and name not in NOT_DECODERS:
            yield name, functools.partial(_vae, len(constructors.X[0]), decoder=case.make)
    yield "vamp", functools.partial(_vae, prior=lambda: priors.VampPrior(3, 4))


def _vae(size=3, prior=lambda: None, decoder=lambda: layers.IndependentBernoulli(5)):
    vae = tfcvae.VAE(layers.IndependentNormal(size, network=mlp()), decoder(), prior())
    vae.build((None, *vae.decoder.event_shape))
    return vae


def _cvae(prior, size):
    recognition, generation = (layers.IndependentNormal(n, network=mlp()) for n in (size, 3))
    cvae = tfcvae.CVAE(recognition, prior(), generation)
    cvae.build((None, len(constructors.X[0])))
    return cvae


SERVED = [
    pytest.param(make, id=name, marks=[] if name in IN_EVERY_RUN else pytest.mark.slow)
    for name, make in _served()
]


def python_outputs(model, name, inputs):
    """What the Python methods give for the request of a signature."""
    x, y, seed = (inputs.get(key) for key in ("x", "y", "seed"))
    given, num_samples = ([] if x is None else [x]), inputs.get("num_samples")

    def draws(seed, mean, num_samples=1, given=given):
        drawn = model.sample(*given, int(num_samples), seed=seed, mean=mean)
        return np.moveaxis(drawn, 0, 1) if given else np.array(drawn)

    def rows(mean):
        alone = [[] if x is None else [x[i : i + 1]] for i in range(len(seed))]
        drawn = [draws(int(s), mean, given=a) for s, a in zip(seed, alone)]
        return np.concatenate(drawn if x is None else [d[0] for d in drawn])

    def moments(distribution):
        return {"mean": distribution.mean(), "stddev": distribution.stddev()}

    return {
        "predict": lambda: {"prediction": model(x)},
        "reconstruct": lambda: {"reconstruction": model.reconstruct(x)},
        "encode": lambda: moments(model.encode(x)),
        "recognize": lambda: moments(model.recognize(x, y)),
        "decode": lambda: {"mean": layers.center(model.decode(inputs["z"]))},
        "generate": lambda: {
            "samples": draws(seed, False, num_samples),
            "means": draws(seed, True, num_samples),
        },
        "generate_rows": lambda: {"sample": rows(False), "mean": rows(True)},
        "log_prob": lambda: {
            "log_prob": model.log_prob(*given, *([] if y is None else [y]), num_samples, seed=seed)
        },
    }[name]()


@pytest.mark.parametrize("make", SERVED)
def test_served_outputs_are_those_of_python(make, tmp_path):
    model = make()
    path = serving.export(model, tmp_path)
    _, comparisons = serving.check(path)
    assert comparisons and all(comparison.is_equal for comparison in comparisons), comparisons
    for directory in filter(None, OTHER_LIBRARIES):
        command = [sys.executable, "-m", "tfcvae", "serve-check", str(path)]
        done = subprocess.run([*command, "--tensorflow", directory], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    served = serving.NativeModel(path)
    with np.load(path / "assets.extra" / "examples.npz") as file:
        examples = dict(file)
    for name in served.card["signatures"].keys() - {"serving_default", "decode_noise"}:
        prefix = f"{name}/inputs/"
        inputs = {k.removeprefix(prefix): v for k, v in examples.items() if k.startswith(prefix)}
        expected = python_outputs(model, name, inputs)
        found = served.run(name, **inputs)
        assert found.keys() == expected.keys()
        for output, values in found.items():
            assert values.dtype == "float32"
            rtol = 1e-5 if name == "log_prob" else 1e-6
            np.testing.assert_allclose(values, expected[output], rtol, rtol, err_msg=name)


# ---- What a version holds ----------------------------------------------------------------------


def test_rows_do_not_depend_on_their_neighbours(exported):
    (vae, _), _, paths, _ = exported
    served = serving.NativeModel(paths[0])
    seeds = np.array([5, 6, 5, 7], "int32")
    rows = served.run("generate_rows", seed=seeds)["sample"]
    alone = [served.run("generate_rows", seed=seeds[i : i + 1])["sample"][0] for i in range(4)]
    np.testing.assert_array_equal(rows, alone)
    np.testing.assert_array_equal(rows[0], rows[2])
    assert np.any(rows[0] != rows[1])


def test_noise_of_the_caller_becomes_a_draw_of_the_prior(exported):
    (vae, _), _, paths, _ = exported
    prior = vae.prior_distribution()
    noise = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    base = prior.distribution.mean() + prior.distribution.stddev() * noise
    expected = layers.center(vae.decode(prior.bijector.forward(base)))
    served = serving.NativeModel(paths[0]).run("decode_noise", noise=noise)
    equal(served["mean"], expected)


def test_threads_draw_by_their_seeds_alone(exported):
    _, _, paths, _ = exported
    served = serving.NativeModel(paths[0])

    def draw(number):
        seed, count = np.array([0, number % 50], "int32"), np.array(2, "int32")
        return served.run("generate", seed=seed, num_samples=count)["means"].tobytes()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(draw, range(400)))
    assert len(set(drawn)) == 50
    assert all(drawn[i] == drawn[i % 50] for i in range(400))


def test_an_export_does_not_depend_on_the_global_seed(tmp_path):
    vae, answers = linear_vae(), []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        path = serving.export(vae, tmp_path)
        count = np.array(4, "int32")
        arguments = {"seed": np.array([1, 2], "int32"), "num_samples": count}
        answers.append(serving.NativeModel(path).run("generate", **arguments)["samples"])
    np.testing.assert_array_equal(*answers)


def test_the_card_of_a_version(tmp_path):
    path = serving.export(linear_vae(), tmp_path, card={"metrics": {"elbo": -1.5}})
    card = json.loads((path / "assets.extra" / "model_card.json").read_text())
    assert card["model"] == "VAE" and card["metrics"] == {"elbo": -1.5}
    assert card["versions"]["tfcvae"] == tfcvae.__version__
    log_prob = card["signatures"]["log_prob"]
    assert log_prob["inputs"]["x"]["shape"] == [-1, 3]
    assert log_prob["inputs"]["seed"]["dtype"] == "int32"
    assert log_prob["outputs"]["log_prob"]["dtype"] == "float32"


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("tfcvae.serving.saved_model.write_card", full)
    with pytest.raises(OSError, match="No space left"):
        serving.export(linear_vae(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_warm_up_requests_are_those_that_were_recorded(tmp_path):
    apis = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    vae = linear_vae()
    path = serving.export(vae, tmp_path) / "assets.extra" / "tf_serving_warmup_requests"
    logs = [
        apis.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    names = [log.predict_log.request.model_spec.signature_name for log in logs]
    assert "reconstruct" in names and "generate_rows" in names and len(set(names)) == len(names)
    assert not (serving.export(vae, tmp_path, warmup=False) / path.name).exists()


def test_serve_check_needs_no_tensorflow_and_sees_a_changed_model(exported, tmp_path):
    _, _, paths, _ = exported
    code = (
        "import sys; from tfcvae.serving import check\n"
        "version, found = check(sys.argv[1])\n"
        "loaded = {'tensorflow', 'keras', 'tensorflow_probability'} & set(sys.modules)\n"
        "print(loaded or 'none', all(c.is_equal for c in found), len(found))"
    )
    script = tmp_path / "tfcvae"  # Under this name the package imports nothing by itself.
    script.write_text(code)
    arguments = [sys.executable, str(script), str(paths[0])]
    output = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert output.startswith("none True")
    changed = tmp_path / "1"
    shutil.copytree(paths[0], changed)
    with np.load(changed / "assets.extra" / "examples.npz") as file:
        examples = dict(file)
    examples["encode/outputs/mean"] = examples["encode/outputs/mean"] + 1e-4
    np.savez(changed / "assets.extra" / "examples.npz", **examples)
    result = CliRunner().invoke(main, ["serve-check", str(changed)])
    assert result.exit_code == 1 and result.output.count("DIFFERENT") == 1
    result = CliRunner().invoke(main, ["serve-check", str(tmp_path)])
    assert result.exit_code == 2 and "must be a version that" in result.output


def equal(actual, expected, rtol=1e-6):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-6)


def test_a_native_model_names_what_it_cannot_run(exported):
    with serving.NativeModel(exported[2][0]) as model:
        name = next(iter(model.card["signatures"]))
        with pytest.raises(ValueError, match="`signature`"):
            model.run("nothing")
        with pytest.raises(ValueError, match="inputs of"):
            model.run(name)
        with pytest.raises(ValueError, match="float64"):
            model.run(name, x=np.zeros((1, 4, 4, 1)))
    with pytest.raises(ValueError, match="closed"):
        model.run(name)


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_serve_check_needs_recorded_examples(exported, tmp_path, damage):
    version = shutil.copytree(exported[2][0], tmp_path / "1")
    examples = version / "assets.extra" / "examples.npz"
    if damage == "missing":
        examples.unlink()
    elif damage == "truncated":
        examples.write_bytes(examples.read_bytes()[:100])
    else:
        np.savez(examples, nothing=0)
    with pytest.raises(ValueError, match="recorded"):
        serving.check(version)


def test_two_exports_at_once_publish_two_versions(tmp_path, monkeypatch):
    rename, done = os.rename, []

    def after_another(source, target):
        if not done:
            done.append(shutil.copytree(source, target))
        rename(source, target)

    monkeypatch.setattr(os, "rename", after_another)
    assert serving.export(small_vae(), tmp_path, warmup=False).name == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2"]


def test_only_models_of_latent_variables_are_exported(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="`model`"):
        serving.export(model, tmp_path)
