"""Functions that Keras can save."""

import keras


def check_registered(function, name):
    """Returns a function, or raises a `ValueError` unless it is registered with Keras."""
    is_function = callable(function) and hasattr(function, "__name__")
    registered = keras.saving.get_registered_name(function) if is_function else None
    if not is_function or keras.saving.get_registered_object(registered) is not function:
        raise ValueError(
            f"Argument `{name}` must be a function registered with "
            "`keras.saving.register_keras_serializable()`, so that it can be loaded again. "
            f"Received: {name}={function}"
        )
    return function


def check_savable(function, name):
    """Returns what `check_registered` does, or a callable object with a configuration."""
    return function if hasattr(function, "get_config") else check_registered(function, name)
