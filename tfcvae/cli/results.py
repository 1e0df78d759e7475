"""Scoring the model of a run, and reporting it."""

import os
import sys

import click

from tfcvae import evaluation, plotting
from tfcvae.cli import runs
from tfcvae.evaluation.likelihood import estimate

_LABELS = {
    "baseline": "baseline NN",
    "elbo": "-ELBO",
    "monte_carlo": "Monte Carlo",
    "importance": "importance",
}


def verbosity():
    """Keras's `verbose`: progress bars on a terminal, one line for each epoch elsewhere."""
    return 1 if sys.stdout.isatty() else 2


def finish(task, model, metrics, output):
    """Scores the best checkpoint on the test split and draws its pictures."""
    options = task.options
    results = metrics["results"] = {
        "split": "test",
        "quantity": "log-likelihood, mean over the images, nats",
        "num_samples": options.num_samples,
    }
    for name, found in _estimates(model, task.held_out("test"), options):
        results[name] = {"mean": found.mean, "standard_error": found.standard_error}
    results["scores"] = task.scores(model)
    figures = {**task.pictures(model), "history": plotting.history(metrics["history"])}
    for name, figure in figures.items():
        plotting.save(figure, output / f"{name}.png")
    metrics["pictures"] = [f"{name}.png" for name in figures]


def _estimates(model, data, options):
    """Yields each estimate of the mean log-likelihood by its name."""
    if getattr(model, "baseline", None) is not None:
        x, y = data
        yield "baseline", estimate(model.baseline(x, training=False).log_prob(y))
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
        backup = os.path.join(output, runs.BACKUP)
        hint = " The same command, with --resume instead of --overwrite, goes on."
        hint = hint if os.path.exists(backup) else ""
        click.echo(f"Interrupted.{hint}")
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
