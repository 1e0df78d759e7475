"""SavedModels through the C++ loader of the TensorFlow library, without Python's TensorFlow.

It is the loader that TensorFlow Serving uses. Nothing of this module imports TensorFlow, Keras or
TFP: a model that runs here needs none of them in its server.
"""

import contextlib
import ctypes
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np

_TYPES = {"float32": 1, "int32": 3, "int64": 9}
_NAMES = {number: name for name, number in _TYPES.items()}


class _Output(ctypes.Structure):
    _fields_ = [("operation", ctypes.c_void_p), ("index", ctypes.c_int)]


def read_card(path):
    """The model card of a version; a `ValueError` if the directory has none."""
    card = Path(path, "assets.extra", "model_card.json")
    if not card.is_file():
        raise ValueError(f"'{path}' must be a version that `tfcvae` exported: it has no {card}")
    return json.loads(card.read_text())


class NativeModel:
    """A SavedModel of `serving.export` in a session of the C++ library.

    It lasts until `close`, or the end of a `with` statement.

    Args:
        path: directory of one version.
        tensorflow: directory of the `tensorflow` package whose library loads the model; by default
            the installed one.

    Raises:
        ValueError: if the directory is no such version, or the library cannot load it.
    """

    def __init__(self, path, tensorflow=None):
        self.card = read_card(path)
        self._library = _load_library(tensorflow)
        self._graph = self._library.TF_NewGraph()
        options = self._library.TF_NewSessionOptions()
        tags = (ctypes.c_char_p * 1)(b"serve")
        with self._status() as status:
            self._session = self._library.TF_LoadSessionFromSavedModel(
                options, None, str(path).encode(), tags, 1, self._graph, None, status
            )
            self._library.TF_DeleteSessionOptions(options)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Frees the session and its graph, after which nothing can be run."""
        if self._session is not None:
            with self._status() as status:
                self._library.TF_DeleteSession(self._session, status)
            self._library.TF_DeleteGraph(self._graph)
            self._session = None

    @property
    def version(self):
        """The version of the TensorFlow library."""
        return self._library.TF_Version().decode()

    def run(self, signature, **inputs):
        """Runs a signature.

        Args:
            signature: its name.
            **inputs: arrays of exactly the dtypes that the model card says.

        Returns:
            Dict of arrays.

        Raises:
            ValueError: if there is no such signature, its inputs are others, or the library cannot
                run it on them.
        """
        infos = self._infos(signature, inputs)
        fed = [_Tensor(self._library, inputs[name]) for name in infos["inputs"]]
        keys = [self._output(info["tensor"]) for info in infos["inputs"].values()]
        wanted = [self._output(info["tensor"]) for info in infos["outputs"].values()]
        results = (ctypes.c_void_p * len(wanted))()
        with self._status() as status:
            self._library.TF_SessionRun(
                self._session,
                None,
                (_Output * len(keys))(*keys),
                (ctypes.c_void_p * len(fed))(*(tensor.handle for tensor in fed)),
                len(fed),
                (_Output * len(wanted))(*wanted),
                results,
                len(wanted),
                None,
                0,
                None,
                status,
            )
            for tensor in fed:
                tensor.delete()
        return dict(zip(infos["outputs"], (self._array(result) for result in results)))

    def _infos(self, signature, inputs):
        """The tensors of a signature, after a check of its inputs."""
        if self._session is None:
            raise ValueError("The model is closed")
        signatures = self.card["signatures"]
        if signature not in signatures:
            raise ValueError(
                f"Argument `signature` must be one of {sorted(signatures)}. "
                f"Received: signature={signature!r}"
            )
        expected = {k: info["dtype"] for k, info in signatures[signature]["inputs"].items()}
        received = {k: np.asarray(value).dtype.name for k, value in inputs.items()}
        if received != expected:
            raise ValueError(
                f"The inputs of {signature!r} must be {expected}. Received: {received}"
            )
        return signatures[signature]

    def _output(self, tensor_name):
        name, index = tensor_name.split(":")
        operation = self._library.TF_GraphOperationByName(self._graph, name.encode())
        return _Output(operation, int(index))

    def _array(self, handle):
        library = self._library
        shape = [library.TF_Dim(handle, i) for i in range(library.TF_NumDims(handle))]
        dtype = np.dtype(_NAMES[library.TF_TensorType(handle)])
        size = library.TF_TensorByteSize(handle)
        data = ctypes.string_at(library.TF_TensorData(handle), size)
        library.TF_DeleteTensor(handle)
        return np.frombuffer(data, dtype).reshape(shape).copy()

    @contextlib.contextmanager
    def _status(self):
        """A status of one call's own, so that threads share none; raises what it says."""
        status = self._library.TF_NewStatus()
        try:
            yield status
            failed = self._library.TF_GetCode(status)
            message = self._library.TF_Message(status).decode()
        finally:
            self._library.TF_DeleteStatus(status)
        if failed:
            raise ValueError(f"The TensorFlow library refused. Received: {message.splitlines()[0]}")


class _Tensor:
    """A copy of an array that the library owns."""

    def __init__(self, library, array):
        array = np.asarray(array, order="C")
        dims = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        kind = _TYPES[array.dtype.name]
        self._library = library
        self.handle = library.TF_AllocateTensor(kind, dims, array.ndim, array.nbytes)
        ctypes.memmove(library.TF_TensorData(self.handle), array.tobytes(), array.nbytes)

    def delete(self):
        self._library.TF_DeleteTensor(self.handle)


def _load_library(directory):
    if directory is None:
        directory = Path(importlib.util.find_spec("tensorflow").origin).parent
    suffix = "libtensorflow_cc.2.dylib" if sys.platform == "darwin" else "libtensorflow_cc.so.2"
    path = Path(directory, suffix)
    if not path.is_file():
        raise ValueError(f"There is no TensorFlow library at '{path}'")
    library = ctypes.CDLL(str(path))
    p, i = ctypes.c_void_p, ctypes.c_int
    signatures = {
        "TF_Version": (ctypes.c_char_p, []),
        "TF_NewStatus": (p, []),
        "TF_DeleteStatus": (None, [p]),
        "TF_NewGraph": (p, []),
        "TF_NewSessionOptions": (p, []),
        "TF_DeleteSessionOptions": (None, [p]),
        "TF_GetCode": (i, [p]),
        "TF_Message": (ctypes.c_char_p, [p]),
        "TF_LoadSessionFromSavedModel": (p, [p, p, ctypes.c_char_p, p, i, p, p, p]),
        "TF_DeleteSession": (None, [p, p]),
        "TF_DeleteGraph": (None, [p]),
        "TF_GraphOperationByName": (p, [p, ctypes.c_char_p]),
        "TF_AllocateTensor": (p, [i, p, i, ctypes.c_size_t]),
        "TF_TensorData": (p, [p]),
        "TF_TensorType": (i, [p]),
        "TF_TensorByteSize": (ctypes.c_size_t, [p]),
        "TF_NumDims": (i, [p]),
        "TF_Dim": (ctypes.c_int64, [p, i]),
        "TF_DeleteTensor": (None, [p]),
        "TF_SessionRun": (None, [p, p, p, p, i, p, p, i, p, i, p, p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
