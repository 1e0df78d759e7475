"""What a version says about itself: its model card, its tensors and its warm-up."""

import datetime
import importlib.util
import json

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfcvae.versions import versions

CARD = "model_card.json"
EXAMPLES = "examples.npz"
WARM_UP = "tf_serving_warmup_requests"


def write(directory, model, examples, card, warmup):
    """Writes `assets.extra` of a SavedModel.

    Args:
        directory: `pathlib.Path` of the SavedModel.
        model: the exported model.
        examples: what `serving.examples.record` returned.
        card: dict of further entries of the card, such as `metrics` and `data`, or `None`.
        warmup: bool, whether to write warm-up requests, if `tensorflow-serving-api` is installed.
    """
    extra = directory / "assets.extra"
    extra.mkdir(exist_ok=True)
    np.savez(extra / EXAMPLES, **examples)
    facts = {
        "model": type(model).__name__,
        "date": datetime.date.today().isoformat(),
        "versions": versions(),
        "units": "log-probabilities in nats",
        **(card or {}),
        "signatures": signature_table(directory),
    }
    (extra / CARD).write_text(json.dumps(facts, indent=2) + "\n")
    if warmup and importlib.util.find_spec("tensorflow_serving") is not None:
        _write_warm_up(extra / WARM_UP, examples)


def signature_table(directory):
    """The inputs and outputs of every signature: names, tensors, types and shapes."""
    saved = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    return {
        name: {"inputs": _tensors(signature.inputs), "outputs": _tensors(signature.outputs)}
        for name, signature in sorted(saved.meta_graphs[0].signature_def.items())
        if not name.startswith("__")
    }


def _tensors(infos):
    return {
        name: {
            "tensor": info.name,
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": [dim.size for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(infos.items())
    }


def _write_warm_up(path, examples):
    """A record of one request for every signature, that TensorFlow Serving runs when it loads."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    requests = {}
    for key, value in examples.items():
        name, kind, argument = key.split("/")
        if kind == "inputs":
            request = requests.setdefault(name, predict_pb2.PredictRequest())
            request.model_spec.signature_name = name
            request.inputs[argument].CopyFrom(tf.make_tensor_proto(value))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests.values():
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())
