"""The commands that use a trained model."""

import json
from pathlib import Path

import click

from tfcvae.cli import runs
from tfcvae.cli.options import COUNT, DATA_DIR, SEED
from tfcvae.cli.startup import import_tensorflow, quietly

_RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("run", type=_RUN)
@DATA_DIR
@click.option(
    "--split", type=click.Choice(["test", "validation"]), default="test", show_default=True
)
@click.option(
    "--method",
    type=click.Choice(["importance", "monte_carlo"]),
    default="importance",
    show_default=True,
)
@click.option("--num-samples", type=COUNT, default=100, show_default=True)
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def evaluate(run, data_dir, split, method, num_samples, seed, as_json):
    """Estimates the log-likelihood of the model of RUN, in nats."""
    task, model = _load(run, data_dir)
    from tfcvae.cli.results import verbosity
    from tfcvae.evaluation import log_likelihood

    data = task.held_out(split)
    estimate = log_likelihood(
        model,
        data if len(data) > 1 else data[0],
        num_samples,
        method,
        seed=seed,
        verbose=0 if as_json else int(verbosity() == 1),
    )
    result = {
        "split": split,
        "method": method,
        "num_samples": num_samples,
        "seed": seed,
        "num_images": len(estimate.values),
        "unit": "nats",
        "mean": estimate.mean,
        "standard_error": estimate.standard_error,
    }
    if as_json:
        click.echo(json.dumps(result))
    else:
        click.echo(
            f"Log-likelihood of the {split} split, {method}, {num_samples} samples of z: "
            f"mean {estimate.mean:.3f} nats, standard error {estimate.standard_error:.3f} nats"
        )


@click.command()
@click.argument("run", type=_RUN)
@DATA_DIR
@click.option("--num-samples", type=COUNT, help="Draws, of each label or input if there are any.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The PNG file.  [default: RUN/samples-seedSEED.png]",
)
def sample(run, data_dir, num_samples, seed, output):
    """Draws images from the model of RUN: new ones, of every label, or of hidden quadrants."""
    output = output or run / f"samples-seed{seed}.png"
    if output.suffix.lower() != ".png":
        raise click.BadParameter(f"'{output}' does not end in .png.", param_hint="'--output'")
    task, model = _load(run, data_dir)
    from tfcvae import plotting

    plotting.save(task.sample(model, num_samples, seed), output)
    click.echo(output)


@click.command()
@click.argument("run", type=_RUN)
@click.argument("base_dir", type=click.Path(file_okay=False, path_type=Path))
def export(run, base_dir):
    """Writes the model of RUN as a SavedModel, the next version in BASE_DIR."""
    metrics = runs.read_metrics(run)
    import_tensorflow()
    from tfcvae import serving
    from tfcvae.serving.native import read_card

    names = ("task", "data", "options", "command", "results")
    card = {name: metrics[name] for name in names if name in metrics}
    path = serving.export(runs.load_model(run), base_dir, card=card)
    click.echo(path)
    click.echo("signatures: " + ", ".join(sorted(read_card(path)["signatures"])))


@click.command("serve-check")
@click.argument("version", type=_RUN)
@click.option(
    "--tensorflow",
    type=click.Path(exists=True, file_okay=False),
    help="Directory of the tensorflow package that loads it.  [default: the installed one]",
)
@click.pass_context
def serve_check(context, version, tensorflow):
    """Runs every signature of an exported VERSION in TensorFlow's C++ loader.

    It is the loader of TensorFlow Serving, in a process without Python's TensorFlow, Keras and TFP.
    The outputs are compared with those recorded at the export.
    """
    from tfcvae.serving import check

    with quietly():
        library, comparisons = check(version, tensorflow)
    click.echo(f"TensorFlow library {library}")
    for signature, output, difference, tolerance in comparisons:
        verdict = "equal" if difference <= tolerance else "DIFFERENT"
        click.echo(f"  {signature:<14} {output:<14} {difference:.1e}  {verdict}")
    if not all(comparison.is_equal for comparison in comparisons):
        context.exit(1)


def _load(run, data_dir):
    """The task and the model of a run."""
    metrics = runs.read_metrics(run)
    import_tensorflow()
    from tfcvae.cli.training import TASKS

    options = {**metrics["options"], **({"data_dir": data_dir} if data_dir else {})}
    return TASKS[metrics["task"]](metrics["data"], options), runs.load_model(run)
