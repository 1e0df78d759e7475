"""One machine with several devices, and several machines, against one device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import cluster

pytestmark = pytest.mark.xdist_group("distribution")

SCRIPT = Path(__file__).with_name("strategies.py")


def start(scenario, num_devices, *arguments, **environment):
    command = [sys.executable, str(SCRIPT), scenario, str(num_devices), *map(str, arguments)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def finish(process):
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.splitlines()[-1])


@pytest.fixture(scope="module")
def on_one_device():
    return finish(start("equal", 1))


@pytest.fixture(scope="module")
def on_two_devices(tmp_path_factory):
    return finish(start("several", 2, tmp_path_factory.mktemp("several") / "backup.npz"))


def assert_equal(found, expected):
    for name, result in found.items():
        alone = expected[name]
        assert result["history"].keys() == alone["history"].keys()
        for curves in ("history", "evaluation"):
            for term, values in result[curves].items():
                message = f"{name}: {curves} of {term}"
                np.testing.assert_allclose(values, alone[curves][term], 1e-5, 1e-6, err_msg=message)
        np.testing.assert_allclose(result["weights"], alone["weights"], atol=1e-4)
        np.testing.assert_allclose(result["prediction"], alone["prediction"], atol=1e-4)


@pytest.mark.parametrize("num_devices", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_replicas_train_as_one_device_does(on_one_device, num_devices):
    """Twenty steps, a fifth of them with one row: a replica has none of the last batch."""
    assert_equal(finish(start("equal", num_devices)), on_one_device)


def test_noise_of_replicas_is_as_good_as_that_of_one_batch(on_two_devices):
    """300 draws tell the variance to 8 %; noise that replicas share would double it."""
    assert 0.7 < on_two_devices["noise"] < 1.4


def test_replicas_share_weights_and_nothing_else(on_two_devices):
    (first, second) = on_two_devices["draws"]["reparameterization"]
    assert first == second
    for name in ("flipout", "block_omission"):
        first, second = on_two_devices["draws"][name]
        assert first != second, name


@pytest.mark.parametrize("name", ["jit_compile", "steps_per_execution", "batch_size"])
def test_what_keras_cannot_do_on_replicas_is_refused(on_two_devices, name):
    message = on_two_devices["refusals"][name]
    assert "Received" in message and name.split("_")[0] in message


def test_replicas_resume_bit_equal(on_two_devices):
    assert on_two_devices["resumed"]["halves"] == on_two_devices["resumed"]["whole"]


def test_two_workers_train_as_one_device_does(on_one_device):
    processes = [start("equal", 0, "cvae", TF_CONFIG=config) for config in cluster()]
    for result in [finish(process) for process in processes]:
        assert_equal(result, on_one_device)


@pytest.mark.gpu
def test_gpus_train_as_one_cpu_does(on_one_device):
    assert_equal(finish(start("equal", -1)), on_one_device)
