"""TensorFlow Lite and ONNX files give what the Python methods give."""

import numpy as np
import pytest

import tfcvae
from tfcvae import layers, networks, priors, serving

pytestmark = pytest.mark.xdist_group("convert")

X = np.random.default_rng(0).random((3, 4, 4, 1)).astype("float32")
NOISE = np.random.default_rng(1).standard_normal((3, 2)).astype("float32")


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    vae = tfcvae.VAE(
        layers.IndependentNormal(2, network=networks.conv_encoder((4,), units=(8,))),
        layers.IndependentBernoulli((4, 4, 1), network=networks.mlp([8])),
        prior=priors.LearnedNormal(2),
    )
    vae.build((None, 4, 4, 1))
    return vae, serving.export(vae, tmp_path_factory.mktemp("models"), warmup=False)


def expected(vae):
    """The outputs of every deterministic signature by its inputs, from Python."""
    prior, posterior = vae.prior_distribution(), vae.encode(X)
    z = prior.mean() + prior.stddev() * NOISE
    return {
        "reconstruct": ({"x": X}, {"reconstruction": vae.reconstruct(X)}),
        "encode": ({"x": X}, {"mean": posterior.mean(), "stddev": posterior.stddev()}),
        "decode": ({"z": NOISE}, {"mean": layers.center(vae.decode(NOISE))}),
        "decode_noise": ({"noise": NOISE}, {"mean": layers.center(vae.decode(z))}),
    }


def test_tflite(version, tmp_path):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    vae, path = version
    names = serving.to_tflite(path, tmp_path / "model.tflite")
    assert set(names) == set(expected(vae))
    model = interpreter.Interpreter(str(tmp_path / "model.tflite"))
    for name, (inputs, outputs) in expected(vae).items():
        found = model.get_signature_runner(name)(**inputs)
        for key, value in outputs.items():
            np.testing.assert_allclose(found[key], value, 1e-5, 1e-6, err_msg=f"{name} {key}")


def test_onnx(version, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    vae, path = version
    for name in ("reconstruct", "decode_noise"):
        inputs, outputs = expected(vae)[name]
        serving.to_onnx(path, name, tmp_path / f"{name}.onnx")
        session = runtime.InferenceSession(str(tmp_path / f"{name}.onnx"))
        found = session.run(list(outputs), inputs)
        for key, value, expect in zip(outputs, found, outputs.values()):
            np.testing.assert_allclose(value, expect, 1e-5, 1e-6, err_msg=f"{name} {key}")
    with pytest.raises(ValueError, match="`signature` must be one of.*'generate'"):
        serving.to_onnx(path, "generate", tmp_path / "no.onnx")


def test_what_a_format_lacks_is_refused_and_leaves_no_file(tmp_path):
    full = layers.MultivariateNormalTriL(2)
    vae = tfcvae.VAE(full, layers.IndependentNormal(3), seed=0)
    vae.build((None, 3))
    version = serving.export(vae, tmp_path / "models", warmup=False)
    files = tmp_path / "files"
    with pytest.raises(
        ValueError, match="'encode'.*cannot be written as TensorFlow Lite.*Received"
    ):
        serving.to_tflite(version, files / "model.tflite")
    assert serving.to_tflite(version, files / "part.tflite", ["decode"]) == ["decode"]
    pytest.importorskip("tf2onnx")
    with pytest.raises(ValueError, match="'encode' cannot be written as ONNX.*Received"):
        serving.to_onnx(version, "encode", files / "model.onnx")
    assert [path.name for path in files.iterdir()] == ["part.tflite"]
