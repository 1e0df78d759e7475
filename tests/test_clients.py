"""The example clients, against a stand-in for TensorFlow Serving."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import stand_in

import tfcvae
from tfcvae import layers, serving

pytestmark = pytest.mark.xdist_group("clients")

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    generation = layers.IndependentNormal(2, network=None)
    cvae = tfcvae.CVAE(layers.IndependentNormal(3), layers.IndependentNormal(3), generation)
    cvae.build((None, 4))
    return cvae, serving.export(cvae, tmp_path_factory.mktemp("models"))


def python_samples(cvae, x, number):
    return np.moveaxis(cvae.sample(x, number, seed=(0, 1)), 0, 1)


def test_rest_client(version, capsys):
    cvae, path = version
    client = runpy.run_path(EXAMPLES / "rest_client.py")
    with stand_in.rest(path) as url:
        client["main"](url)
        x = np.arange(8.0).reshape(2, 4)
        drawn = client["predict"](url, "generate", x=x, num_samples=2, seed=[0, 1])
        prediction = client["predict"](url, "predict", x=x)
    assert "samples (4, 3, 2)" in capsys.readouterr().out
    expected = python_samples(cvae, x.astype("float32"), 2)
    np.testing.assert_allclose(drawn["samples"], expected, 1e-5)
    np.testing.assert_allclose(prediction["predict"], cvae(x.astype("float32")), 1e-5)


def test_grpc_client(version, capsys):
    pytest.importorskip("tensorflow_serving")
    cvae, path = version
    client = runpy.run_path(EXAMPLES / "grpc_client.py")
    with stand_in.grpc(path) as address:
        client["main"](address, "cvae", "4")
        x = np.ones((2, 4), "float32")
        number, seed = np.array(2, "int32"), np.array([0, 1], "int32")
        drawn = client["predict"](address, "cvae", "generate", x=x, num_samples=number, seed=seed)
    assert "samples (4, 3, 2)" in capsys.readouterr().out
    np.testing.assert_allclose(drawn["samples"], python_samples(cvae, x, 2), 1e-6)
