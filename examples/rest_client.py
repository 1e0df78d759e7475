"""Asks a server of TensorFlow Serving's REST interface for completions.

    python rest_client.py http://localhost:8501/v1/models/cvae

Needs NumPy and nothing else of the machine that trained the model.
"""

import json
import sys
import urllib.request

import numpy as np


def predict(url, signature, **inputs):
    """The outputs of a signature, a dict of arrays, by the columnar format."""
    columns = {name: np.asarray(value).tolist() for name, value in inputs.items()}
    body = json.dumps({"signature_name": signature, "inputs": columns}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}:predict", data=body, headers=headers)
    with urllib.request.urlopen(request) as response:
        outputs = json.load(response)["outputs"]
    if not isinstance(outputs, dict):  # The server leaves out the name of a single output.
        outputs = {signature: outputs}
    return {name: np.asarray(values, "float32") for name, values in outputs.items()}


def metadata(url):
    """The inputs of every signature: a dict of dicts of shapes."""
    with urllib.request.urlopen(f"{url}/metadata") as response:
        signatures = json.load(response)["metadata"]["signature_def"]["signature_def"]
    return {
        name: {
            key: [int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])]
            for key, info in signature["inputs"].items()
        }
        for name, signature in signatures.items()
    }


def main(url):
    shape = metadata(url)["generate"]["x"]
    x = np.zeros([4, *shape[1:]])
    drawn = predict(url, "generate", x=x, num_samples=3, seed=[0, 1])
    print("samples", drawn["samples"].shape, "means", drawn["means"].shape)
    rows = predict(url, "generate_rows", x=x, seed=[1, 2, 3, 4])
    print("one draw for each row and its own seed", rows["sample"].shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
