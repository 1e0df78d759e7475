"""Importing the package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tfcvae


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_public_name_is_there():
    for name in tfcvae.__all__:
        assert getattr(tfcvae, name) is not None
    assert set(tfcvae.__all__) <= set(dir(tfcvae))
    with pytest.raises(AttributeError, match="no attribute 'GAN'"):
        _ = tfcvae.GAN


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_an_import_error(backend):
    result = python("import tfcvae", KERAS_BACKEND=backend)
    assert result.returncode != 0
    assert "ImportError: tfcvae needs the TensorFlow backend" in result.stderr
    assert f"Received: backend='{backend}'" in result.stderr


def test_a_backend_named_in_the_configuration_file_is_seen(tmp_path):
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    environment = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": ""}
    code = "import os; os.environ.pop('KERAS_BACKEND'); import tfcvae"
    result = python(code, **environment)
    assert "Received: backend='jax'" in result.stderr


def test_no_file_imports_tf_keras():
    files = sorted(Path(tfcvae.__file__).parent.rglob("*.py"))
    assert len(files) > 20
    assert not [file.name for file in files if "tf_keras" in file.read_text()]
