"""What replicas and workers that train in sync must agree on."""

import keras
import tensorflow as tf

from tfcvae import seeds
from tfcvae.cluster import is_chief_task


def num_replicas():
    """The number of replicas in sync under the current strategy."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def is_multi_worker(strategy=None):
    """Whether a strategy, by default the current one, trains on several workers."""
    strategy = strategy or tf.distribute.get_strategy()
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy):
    """Whether this process is the one that writes files: the only one, or the first worker."""
    resolver = strategy.cluster_resolver
    if resolver is None:
        return True
    return is_chief_task(resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id)


def first_local_batch(strategy, iterator):
    """The part of this process of the first batch of Keras's epoch iterator."""
    _, _, batches = next(iter(iterator))
    local = strategy.experimental_local_results
    return keras.tree.map_structure(lambda values: local(values)[0], next(batches))


def _context():
    """The context of this replica, or `None` if it trains alone."""
    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context


def own_seed(seed):
    """A seed of this replica's own when several train in sync."""
    context = _context()
    if context is None:
        return seed
    return seeds.fold_in(seed, context.replica_id_in_sync_group)


def mean_over_rows(value, rows):
    """The mean over the rows of the global batch, of the mean over those of each replica.

    No gradient passes: it is for what all replicas must decide alike.

    Args:
        value: scalar, the mean over the rows of this replica.
        rows: int scalar, their number.
    """
    value = tf.stop_gradient(value)
    context = _context()
    if context is None:
        return value
    rows = tf.cast(rows, value.dtype)
    total, rows = context.all_reduce(tf.distribute.ReduceOp.SUM, [value * rows, rows])
    return total / rows


def weigh_by_rows(loss, rows):
    """A local loss, whose gradient counts each row of the global batch alike.

    Keras averages the losses of the replicas, which is the mean over the rows only if all replicas
    have as many of them. The value stays that of this replica, as Keras's metrics expect.

    Args:
        loss: scalar, the loss of this replica as Keras scales it.
        rows: int scalar, the number of rows of this replica.
    """
    context = _context()
    if context is None:
        return loss
    rows = tf.cast(rows, loss.dtype)
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, rows)
    weighed = loss * rows * context.num_replicas_in_sync / total
    return tf.stop_gradient(loss - weighed) + weighed


def check_settings(strategy, jit_compile="auto", steps_per_execution=1):
    """Raises a `ValueError` for arguments of `compile` that Keras cannot carry out on replicas."""
    if strategy.num_replicas_in_sync == 1:
        return
    if jit_compile is True:
        raise ValueError(
            "Argument `jit_compile` must not be True under a strategy of several replicas, where "
            "Keras cannot compile the step by XLA. Received: jit_compile=True"
        )
    if steps_per_execution > 1:
        raise ValueError(
            "Argument `steps_per_execution` must be 1 under a strategy of several replicas, where "
            f"Keras cannot join steps. Received: steps_per_execution={steps_per_execution}"
        )


def check_first_batch(strategy, x, shape):
    """Raises a `ValueError` unless the first batch divides among the replicas.

    Args:
        strategy: the strategy of the model.
        x: what `fit` received.
        shape: that of its first batch as far as it is known, or `None`.
    """
    number = strategy.num_replicas_in_sync
    rows = None if shape is None else shape[0]
    if number > 1 and rows is None and isinstance(x, tf.data.Dataset):
        rows = keras.tree.flatten(next(iter(x.take(1))))[0].shape[0]
    if rows is not None and rows % number:
        raise ValueError(
            f"The first batch must have a multiple of {number} rows, one part for each replica; "
            f"the last may be smaller. Received: a first batch of {rows} rows"
        )
