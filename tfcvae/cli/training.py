"""Training and scoring a task."""

import math
import os
import sys
import time

import click
import keras
import numpy as np

from tfcvae import datasets, evaluation, plotting, regularizers
from tfcvae.callbacks import BestCheckpoint
from tfcvae.cli import runs
from tfcvae.cli.segmentation import Segmentation
from tfcvae.cli.tasks import DATA_SEEDS, ClassConditional, Quadrants, Unconditional

TASKS = {
    "vae": Unconditional,
    "labels": ClassConditional,
    "quadrants": Quadrants,
    "segmentation": Segmentation,
}

_LABELS = {
    "baseline": "baseline NN",
    "elbo": "-ELBO",
    "monte_carlo": "Monte Carlo",
    "importance": "importance",
}


def verbosity():
    """Keras's `verbose`: progress bars on a terminal, one line for each epoch elsewhere."""
    return 1 if sys.stdout.isatty() else 2


def train(task_name, data, options, output, command):
    """Trains a task and writes its run directory.

    Returns:
        The metrics; `metrics["interrupted"]` says whether Ctrl-C ended the run.

    Raises:
        FloatingPointError: if a term of the loss became NaN or infinite.
        ValueError: if options or data are unusable.
    """
    keras.utils.set_random_seed(options["seed"])
    task = TASKS[task_name](data, options)
    steps = math.ceil(len(task.splits.train[0]) / options["batch_size"])
    model = _compiled(task, data, steps)
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
    }
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = BestCheckpoint(output / runs.MODEL)
    try:
        _fit(task, model, steps, checkpoint, metrics, output)
        _finish(task, runs.load_model(output), metrics, output)
        metrics["finished"] = True
    except KeyboardInterrupt:
        metrics["interrupted"] = True
    except FloatingPointError as error:
        metrics["error"] = str(error)
        if checkpoint.best_epoch is None:
            raise
        kept = f"The checkpoint of epoch {checkpoint.best_epoch} lies in {checkpoint.path}"
        raise FloatingPointError(f"{error}. {kept}") from error
    finally:
        if checkpoint.best_epoch or not (output / runs.MODEL).exists():
            runs.write_metrics(output, metrics)
    return metrics


def _compiled(task, data, steps):
    options = task.options
    warm_up = keras.optimizers.schedules.PolynomialDecay(0.0, options.warm_up * steps, 1.0)
    model = task.model(regularizers.KL(warm_up if options.warm_up else 1.0))
    rate = keras.optimizers.schedules.CosineDecay(options.learning_rate, options.epochs * steps)
    model.build((None, *task.held_out("validation")[0].shape[1:]))
    model.compile(keras.optimizers.Adam(rate), jit_compile=data.endswith("mnist"))
    return model


def _fit(task, model, steps, checkpoint, metrics, output):
    options = task.options
    start = time.time()
    history = metrics["history"] = {}

    def record(epoch, logs):
        for name, value in logs.items():
            history.setdefault(name, []).append(value if math.isfinite(value) else None)
        if checkpoint.best_epoch and metrics["best_epoch"] is None:
            runs.remove_pictures(output)
        metrics["epochs_run"] = epoch + 1
        metrics["best_epoch"] = checkpoint.best_epoch
        metrics["best_validation_elbo"] = checkpoint.best
        metrics["training_seconds"] = round(time.time() - start, 1)
        if checkpoint.best_epoch:
            runs.write_metrics(output, metrics)

    callbacks = [checkpoint, keras.callbacks.LambdaCallback(on_epoch_end=record)]
    if options.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(output / "logs"))
    model.fit(
        datasets.stream(
            tuple(task.splits.train),
            options.batch_size,
            seed=options.seed,
            transform=task.prepare,
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


def _finish(task, model, metrics, output):
    """Scores the best checkpoint on the test split and draws its pictures."""
    options = task.options
    results = metrics["results"] = {
        "split": "test",
        "quantity": "log-likelihood, mean over the images, nats",
        "num_samples": options.num_samples,
    }
    for name, estimate in _estimates(model, task.held_out("test"), options):
        results[name] = {"mean": estimate.mean, "standard_error": estimate.standard_error}
    results["scores"] = task.scores(model)
    figures = {**task.pictures(model), "history": plotting.history(metrics["history"])}
    for name, figure in figures.items():
        plotting.save(figure, output / f"{name}.png")
    metrics["pictures"] = [f"{name}.png" for name in figures]


def _estimates(model, data, options):
    """Yields each estimate of the mean log-likelihood by its name."""
    if getattr(model, "baseline", None) is not None:
        x, y = data
        values = np.array(model.baseline(x, training=False).log_prob(y), "float64")
        error = float(values.std(ddof=1) / math.sqrt(len(values)))
        yield "baseline", evaluation.Estimate(float(values.mean()), error, values)
    data = data if len(data) > 1 else data[0]
    arguments = {"seed": options.seed, "verbose": int(verbosity() == 1)}
    click.echo("Estimates on the test split: ELBO, Monte Carlo, importance sampling")
    yield "elbo", evaluation.elbo(model, data, options.num_samples, **arguments)
    for method in ("monte_carlo", "importance"):
        yield (
            method,
            evaluation.log_likelihood(model, data, options.num_samples, method, **arguments),
        )


def report(metrics, output):
    """Prints the results of a run and where its files lie."""
    best = metrics["best_epoch"]
    results = metrics.get("results", {})
    click.echo()
    if metrics["interrupted"]:
        click.echo("Interrupted.")
    if "importance" in results:
        samples = results["num_samples"]
        click.echo(f"Negative log-likelihood, test split, {samples} samples of z, nats")
        for name, label in _LABELS.items():
            if name in results:
                mean, error = results[name]["mean"], results[name]["standard_error"]
                click.echo(f"  {label:<12} {-mean:9.3f}   standard error {error:.3f}")
        for name, score in results.get("scores", {}).items():
            click.echo(f"  {name.replace('_', ' '):<27} {score:9.4g}")
    if best is None:
        click.echo(f"No epoch was completed: there is no new checkpoint in {output}")
        return
    epochs, seconds = metrics["epochs_run"], metrics["training_seconds"]
    click.echo(f"{epochs} epochs in {seconds:.0f} s; epoch {best} is the best by val_elbo")
    names = [runs.MODEL, runs.METRICS, *metrics.get("pictures", [])]
    names += ["logs"] * metrics["options"]["tensorboard"]
    for name in names:
        click.echo(f"  {os.path.join(output, name)}")
