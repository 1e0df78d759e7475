"""Training a task."""

import math

import keras
import tensorflow as tf

from tfcvae import cluster, datasets, regularizers, replicas
from tfcvae.callbacks import Backup, BestCheckpoint
from tfcvae.cli import runs
from tfcvae.cli.record import Record
from tfcvae.cli.results import finish, verbosity
from tfcvae.cli.segmentation import Segmentation
from tfcvae.cli.tasks import DATA_SEEDS, ClassConditional, Quadrants, Unconditional

TASKS = {
    "vae": Unconditional,
    "labels": ClassConditional,
    "quadrants": Quadrants,
    "segmentation": Segmentation,
}


def train(task_name, data, options, output, command, resume=False, distribute=False):
    """Trains a task and writes its run directory.

    Returns:
        The metrics; `metrics["interrupted"]` says whether Ctrl-C ended the run. `None` on a worker
        that is not the chief, which writes nothing.

    Raises:
        ConnectionError: if another worker was lost.
        FloatingPointError: if a term of the loss became NaN or infinite.
        ValueError: if options or data are unusable.
    """
    if not resume and (not distribute or cluster.is_chief()):
        (output / runs.BACKUP).unlink(missing_ok=True)
    strategy = _strategy(distribute)
    is_chief = replicas.is_chief(strategy)
    keras.utils.set_random_seed(options["seed"])
    task = TASKS[task_name](data, options)
    steps = math.ceil(len(task.splits.train[0]) / options["batch_size"])
    with strategy.scope():
        model = _compiled(task, steps)
    metrics = {
        "task": task_name,
        "data": data,
        "options": options,
        "seeds": {
            "training": options["seed"],
            "estimates": options["seed"],
            **{f"{split}_data": seed for split, seed in DATA_SEEDS.items()},
        },
        **runs.environment(command),
        "finished": False,
        "interrupted": False,
        "epochs_run": 0,
        "best_epoch": None,
        "training_seconds": 0.0,
        "history": {},
    }
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = BestCheckpoint(output / runs.MODEL)
    record = Record(metrics, checkpoint, output, is_chief)
    backup = Backup(output / runs.BACKUP, [record, checkpoint], delete=False)
    try:
        _fit(task, model, steps, [checkpoint, record, backup], output)
        if not is_chief:
            return None
        finish(task, runs.load_model(output), metrics, output)
        metrics["finished"] = True
    except KeyboardInterrupt:
        metrics["interrupted"] = True
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise ConnectionError(
            "Another worker was lost: start all of them again with --resume. "
            f"Received: {str(error).splitlines()[0][:200]}"
        ) from error
    except FloatingPointError as error:
        metrics["error"] = str(error)
        if checkpoint.best_epoch is None:
            raise
        kept = f"The checkpoint of epoch {checkpoint.best_epoch} lies in {checkpoint.path}"
        raise FloatingPointError(f"{error}. {kept}") from error
    finally:
        if is_chief and (checkpoint.best_epoch or not (output / runs.MODEL).exists()):
            runs.write_metrics(output, metrics)
    if metrics["finished"]:
        backup.path.unlink()
    return metrics


def _strategy(distribute):
    if not distribute:
        return tf.distribute.get_strategy()
    if cluster.is_present():
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy()


def _compiled(task, steps):
    options = task.options
    warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, options.warm_up * steps, 1.0)
    model = task.model(regularizers.KL(warm_up if options.warm_up else 1.0))
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.epochs * steps)
    model.build((None, *task.held_out("validation")[0].shape[1:]))
    model.compile(keras.optimizers.Adam(rate))
    return model


def _fit(task, model, steps, callbacks, output):
    options = task.options
    checkpoint, record, backup = callbacks
    if options.tensorboard and record.is_chief:
        callbacks = [*callbacks, keras.callbacks.TensorBoard(output / "logs")]
    model.fit(
        datasets.stream(
            tuple(task.splits.train),
            options.batch_size,
            seed=options.seed,
            transform=task.prepare,
            initial_epoch=backup.initial_epoch,
        ),
        steps_per_epoch=steps,
        epochs=options.epochs,
        validation_data=task.held_out("validation"),
        validation_batch_size=1000,
        callbacks=callbacks,
        shuffle=False,
        verbose=verbosity(),
    )
    if checkpoint.best_epoch is None:
        raise FloatingPointError("No epoch had a finite ELBO on the validation set")
