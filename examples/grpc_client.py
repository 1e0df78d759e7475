"""Asks a server of TensorFlow Serving's gRPC interface for completions.

    python grpc_client.py localhost:8500 cvae HEIGHT WIDTH CHANNELS

Needs `pip install tfcvae[serving]`, or tensorflow-serving-api alone.
"""

import sys

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc


def predict(address, model, signature, timeout=30.0, **inputs):
    """The outputs of a signature, a dict of arrays.

    Args:
        address: host and port.
        model: name of the model on the server.
        signature: name of the signature.
        timeout: float, seconds.
        **inputs: arrays of exactly the dtypes of the signature.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    with grpc.insecure_channel(address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        outputs = stub.Predict(request, timeout).outputs
    return {name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}


def main(address, model, *shape):
    x = np.zeros([4, *map(int, shape)], "float32")
    number, seed = np.array(3, "int32"), np.array([0, 1], "int32")
    drawn = predict(address, model, "generate", x=x, num_samples=number, seed=seed)
    print("samples", drawn["samples"].shape, "means", drawn["means"].shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
