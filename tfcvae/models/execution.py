"""How a model trains where `compile` left it open: several steps at a time, compiled by XLA."""

import contextlib
import math

import keras
import tensorflow as tf

from tfcvae import pipeline, replicas
from tfcvae.layers import DistributionLambda

JOINED_STEPS = 32
WORK_WORTH_COMPILING = 1_000_000_000
"""Training steps times weights."""
BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
KNOWN_LAYERS = ("keras.src.layers.", "keras.src.models.", "tfcvae.")
NOT_FOR_XLA = ("Conv", "Pooling", "UpSampling", "RNN", "LSTM", "GRU")


@contextlib.contextmanager
def settled(model, callbacks, total, *lengths):
    """Settles what `compile` left open, while a call of `fit` lasts.

    Args:
        callbacks: list of the user's callbacks.
        total: int, the steps of the call.
        *lengths: the arguments of `fit` that count steps, int or `None`.
    """
    steps, jit_compile = model.steps_per_execution, model.jit_compile
    if "jit_compile" in model._left_open:
        jit_compile = jit_compile or is_worth_compiling(model, total)
    if "steps_per_execution" in model._left_open:
        model.steps_per_execution = joined_steps(model, callbacks, *lengths)
    settings = model.steps_per_execution, jit_compile
    if settings != model._train_settings:
        model.train_function, model._train_settings = None, settings
    try:
        yield
    finally:
        if model.steps_per_execution != steps:
            model.steps_per_execution, model.test_function = steps, None


@contextlib.contextmanager
def compiled(model):
    """Has Keras make its functions with the `jit_compile` of the call of `fit`."""
    before = model.jit_compile
    model.jit_compile = model._train_settings[1]
    try:
        yield
    finally:
        model.jit_compile = before


def joined_steps(model, callbacks, *lengths):
    """The number of steps for one execution, which leaves every result as it is.

    It is 1 where Keras cannot join steps, on several replicas, and where a callback acts on single
    batches. Else it divides every one of `lengths`, which Keras would round up to a multiple.

    Args:
        callbacks: list of the user's callbacks.
        *lengths: the arguments of `fit` that count steps, int or `None`.
    """
    if model.run_eagerly or not is_one_device(model) or any(map(_acts_on_batches, callbacks)):
        return 1
    common = math.gcd(*(length for length in lengths if length is not None))
    if not common:
        return JOINED_STEPS
    return max(n for n in range(1, JOINED_STEPS + 1) if common % n == 0)


def is_worth_compiling(model, steps):
    """Whether XLA is expected to make a training of so many steps shorter.

    Its compilation takes seconds. It fuses what dense layers and the optimizer do to their
    weights, so that what a step gains grows with their number, and is slower than TensorFlow's own
    kernels at convolutions on processors.
    """
    return model.built and steps * model.count_params() >= WORK_WORTH_COMPILING and suits_xla(model)


def suits_xla(model):
    """Whether a model of one device consists of layers that XLA runs well on processors."""
    parts = (*model._flatten_layers(), *model.regularizers)
    return not model.run_eagerly and is_one_device(model) and all(map(_is_for_xla, parts))


def is_one_program(model):
    """Whether XLA compiles the steps of an execution as one loop.

    Convolutions in such a loop take twenty times as long on processors.
    """
    return model.jit_compile and model.steps_per_execution > 1 and suits_xla(model)


def total_steps(x, batch_size, epochs, steps_per_epoch):
    """The steps of a call of `fit`, 0 if they are not known beforehand."""
    if steps_per_epoch is None and isinstance(x, tf.data.Dataset):
        steps_per_epoch = max(int(x.cardinality()), 0)
    elif steps_per_epoch is None and isinstance(x, keras.utils.PyDataset):
        steps_per_epoch = len(x)
    elif steps_per_epoch is None:
        rows = x.shape[0] if hasattr(x, "shape") else 0
        steps_per_epoch = math.ceil(rows / (batch_size or pipeline.KERAS_BATCH_SIZE))
    return epochs * steps_per_epoch


def is_one_device(model):
    """Whether the model trains on one device of one worker."""
    strategy = model.distribute_strategy
    return strategy.num_replicas_in_sync == 1 and not replicas.is_multi_worker(strategy)


def _acts_on_batches(callback):
    if "epoch" in (getattr(callback, name, None) for name in ("save_freq", "update_freq")):
        return False
    own = (getattr(getattr(callback, hook), "__func__", None) for hook in BATCH_HOOKS)
    return any(f is not getattr(keras.callbacks.Callback, h) for f, h in zip(own, BATCH_HOOKS))


def _is_for_xla(part):
    if isinstance(part, (keras.layers.Lambda, DistributionLambda)):
        return False
    cls = type(part)
    return cls.__module__.startswith(KNOWN_LAYERS) and not any(
        word in cls.__name__ for word in NOT_FOR_XLA
    )
