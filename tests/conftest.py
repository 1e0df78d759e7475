import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import pytest


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same global seed, whatever ran before it."""
    keras.utils.set_random_seed(0)
