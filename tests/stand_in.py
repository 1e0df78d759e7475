"""A stand-in for TensorFlow Serving on the loopback interface: its protocols, not its server.

The models run in the C++ loader that TensorFlow Serving uses; what answers here is written for the
tests, without batching, versions or configuration.
"""

import contextlib
import http.server
import json
import threading
from concurrent import futures

import numpy as np

from tfcvae.serving import NativeModel


@contextlib.contextmanager
def rest(path, name="cvae"):
    """Serves a version by REST and yields the URL of the model."""
    model = NativeModel(path)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            signatures = {
                key: {
                    "inputs": {
                        k: {"tensor_shape": {"dim": [{"size": str(n)} for n in info["shape"]]}}
                        for k, info in signature["inputs"].items()
                    }
                }
                for key, signature in model.card["signatures"].items()
            }
            self.answer({"metadata": {"signature_def": {"signature_def": signatures}}})

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            signature = request.get("signature_name", "serving_default")
            infos = model.card["signatures"][signature]["inputs"]
            by_row = "instances" in request
            columns = request.get("inputs")
            if by_row:
                rows = request["instances"]
                columns = {name: [row[name] for row in rows] for name in infos}
            inputs = {k: np.asarray(columns[k], info["dtype"]) for k, info in infos.items()}
            outputs = {k: v.tolist() for k, v in model.run(signature, **inputs).items()}
            if by_row:
                names = list(outputs)
                rows = [dict(zip(names, values)) for values in zip(*outputs.values())]
                self.answer({"predictions": rows})
            else:
                single = len(outputs) == 1
                self.answer({"outputs": next(iter(outputs.values())) if single else outputs})

        def answer(self, content):
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/{name}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def grpc(path):
    """Serves a version by gRPC and yields the address."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    model = NativeModel(path)

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            response = predict_pb2.PredictResponse()
            for name, value in model.run(request.model_spec.signature_name, **inputs).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
