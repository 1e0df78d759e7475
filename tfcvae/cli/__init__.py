"""The command line `tfcvae`: trains, scores, draws from and exports models.

Whatever needs TensorFlow is imported inside the commands, so that help and mistakes are answered
at once.
"""

import importlib.util
import json
import math
from pathlib import Path

import click

from tfcvae import __version__, cluster
from tfcvae.cli import runs
from tfcvae.cli.startup import Program, import_tensorflow

_SMALL = {"latents": 16, "units": 256, "epochs": 60, "batch_size": 100, "learning_rate": 2e-3}
_LARGE = {"latents": 50, "units": 500, "epochs": 50, "batch_size": 200, "learning_rate": 1e-3}
_MASKS = {"latents": 8, "units": 16, "epochs": 20, "batch_size": 32, "learning_rate": 1e-3}
_DEFAULTS = {
    "digits": _SMALL,
    "mnist": _LARGE,
    "fashion_mnist": _LARGE,
    "shapes": _MASKS,
    "garments": _MASKS,
}
_PRIORS = (
    "standard_normal",
    "normal",
    "learned_normal",
    "mixture",
    "vamp",
    "maf",
    "iaf",
    "realnvp",
    "nsf",
)
_COUNT = click.IntRange(min=1)
_SEED = click.IntRange(0, 2**31 - 1)
_RUN = click.Path(exists=True, file_okay=False, path_type=Path)
_DATA_DIR = click.option(
    "--data-dir", type=click.Path(exists=True, file_okay=False), help="Where the IDX files lie."
)


def _positive(context, parameter, value):
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise click.BadParameter(f"{value} is not a positive number.")
    return value


def _sized(flag, text, **arguments):
    """An option whose default depends on the data set."""
    name = flag.strip("-").replace("-", "_")
    text += f"  [default: {_SMALL[name]} for digits, {_LARGE[name]} for 28x28 images, "
    text += f"{_MASKS[name]} for segmentation]"
    return click.option(flag, help=text, **arguments)


@click.group(cls=Program, invoke_without_command=True)
@click.version_option(__version__, prog_name="tfcvae")
@click.pass_context
def main(context):
    """Trains, scores, draws from and exports VAEs and conditional VAEs."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command()
@click.argument("task", type=click.Choice(["vae", "labels", "quadrants", "segmentation"]))
@click.option(
    "--data",
    type=click.Choice(list(_DEFAULTS)),
    help="shapes and garments are for segmentation.  [default: digits; shapes for segmentation]",
)
@_DATA_DIR
@click.option(
    "--prior",
    type=click.Choice(_PRIORS, case_sensitive=False),
    help="p(z), or p(z|x) given x; standard_normal ignores x, and normal needs it.  "
    "[default: standard_normal for vae, normal else]",
)
@_sized("--latents", "Number of latent dimensions.", type=_COUNT)
@_sized(
    "--units", "Width of the two hidden layers, or channels of the first convolution.", type=_COUNT
)
@_sized("--epochs", "Epochs of training.", type=_COUNT)
@_sized("--batch-size", "Images in a training step.", type=_COUNT)
@_sized("--learning-rate", "Adam's, at the start of its decay.", type=float, callback=_positive)
@click.option(
    "--observed", type=click.IntRange(1, 3), help="Observed quadrants, for quadrants.  [default: 1]"
)
@click.option(
    "--warm-up",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Epochs in which the weight of the KL term rises from 0 to 1.",
)
@click.option("--seed", type=_SEED, default=0, show_default=True)
@click.option(
    "--num-samples",
    type=_COUNT,
    default=100,
    show_default=True,
    help="Samples of z per image in the final estimates.",
)
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard logs to OUTPUT/logs.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Directory of the run.  [default: runs/TASK-DATA]",
)
@click.option("--overwrite", is_flag=True, help="Replace the run in OUTPUT.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in OUTPUT where it was interrupted, or begin it.",
)
@click.option(
    "--distribute",
    is_flag=True,
    help="Train on all devices of this machine or, with TF_CONFIG, on all workers in it.",
)
@click.pass_context
def train(context, task, data, output, overwrite, resume, distribute, **options):
    """Trains a model and writes it with its scores and pictures to a directory.

    TASK is vae (images), labels (images given their class), quadrants (hidden quadrants of images
    given the others, next to a deterministic baseline) or segmentation (masks of images with
    several right answers). The validation set picks the epoch; Ctrl-C keeps the best one so far.
    An interrupted run goes on by the same command with --resume, to the same result to the bit.
    """
    if overwrite and resume:
        raise click.UsageError("--overwrite and --resume exclude each other.")
    data = data or ("shapes" if task == "segmentation" else "digits")
    options = _resolve(task, data, options)
    output = output or Path("runs", f"{task}-{data}")
    if not distribute or cluster.is_chief():
        if resume:
            runs.check_resume(output, {"task": task, "data": data, "options": options})
        else:
            runs.check_output(output, overwrite)
    import_tensorflow()
    from tfcvae.cli import results, training

    metrics = training.train(task, data, options, output, context.obj, resume, distribute)
    if metrics is None:
        return
    results.report(metrics, output)
    if metrics["interrupted"]:
        context.exit(130)


def _resolve(task, data, options):
    """The options with defaults in the place of those not given, checked against the task."""
    prior = options["prior"]
    if task == "vae" and prior == "normal":
        raise click.BadParameter("normal needs an x; a vae has none.", param_hint="'--prior'")
    if task != "quadrants" and options["observed"]:
        raise click.BadParameter(f"{task} has no quadrants.", param_hint="'--observed'")
    if (task == "segmentation") != (data in ("shapes", "garments")):
        raise click.BadParameter(f"{data} is not for {task}.", param_hint="'--data'")
    if data in ("digits", "shapes") and options["data_dir"]:
        raise click.BadParameter(f"{data} needs no files.", param_hint="'--data-dir'")
    if options["tensorboard"] and importlib.util.find_spec("tensorboard") is None:
        raise click.UsageError("--tensorboard needs a package: pip install tensorboard")
    defaults = {
        **_DEFAULTS[data],
        "prior": "standard_normal" if task == "vae" else "normal",
        "observed": 1 if task == "quadrants" else None,
    }
    return {k: defaults.get(k) if value is None else value for k, value in options.items()}


@main.command()
@click.argument("run", type=_RUN)
@_DATA_DIR
@click.option(
    "--split", type=click.Choice(["test", "validation"]), default="test", show_default=True
)
@click.option(
    "--method",
    type=click.Choice(["importance", "monte_carlo"]),
    default="importance",
    show_default=True,
)
@click.option("--num-samples", type=_COUNT, default=100, show_default=True)
@click.option("--seed", type=_SEED, default=0, show_default=True)
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


@main.command()
@click.argument("run", type=_RUN)
@_DATA_DIR
@click.option("--num-samples", type=_COUNT, help="Draws, of each label or input if there are any.")
@click.option("--seed", type=_SEED, default=0, show_default=True)
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


@main.command()
@click.argument("run", type=_RUN)
@click.argument("base_dir", type=click.Path(file_okay=False, path_type=Path))
def export(run, base_dir):
    """Writes the model of RUN as a SavedModel, the next version in BASE_DIR."""
    runs.read_metrics(run)
    import_tensorflow()
    import tensorflow as tf

    from tfcvae import serving

    path = serving.export(runs.load_model(run), base_dir)
    click.echo(path)
    click.echo("signatures: " + ", ".join(sorted(tf.saved_model.load(str(path)).signatures)))


def _load(run, data_dir):
    """The task and the model of a run."""
    metrics = runs.read_metrics(run)
    import_tensorflow()
    from tfcvae.cli.training import TASKS

    options = {**metrics["options"], **({"data_dir": data_dir} if data_dir else {})}
    return TASKS[metrics["task"]](metrics["data"], options), runs.load_model(run)
