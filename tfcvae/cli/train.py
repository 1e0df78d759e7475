"""The command `tfcvae train`."""

import importlib.util
import math
from pathlib import Path

import click

from tfcvae import cluster
from tfcvae.cli import runs
from tfcvae.cli.options import COUNT, DATA_DIR, SEED
from tfcvae.cli.startup import import_tensorflow

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


@click.command()
@click.argument("task", type=click.Choice(["vae", "labels", "quadrants", "segmentation"]))
@click.option(
    "--data",
    type=click.Choice(list(_DEFAULTS)),
    help="shapes and garments are for segmentation.  [default: digits; shapes for segmentation]",
)
@DATA_DIR
@click.option(
    "--prior",
    type=click.Choice(_PRIORS, case_sensitive=False),
    help="p(z), or p(z|x) given x; standard_normal ignores x, and normal needs it.  "
    "[default: standard_normal for vae, normal else]",
)
@_sized("--latents", "Number of latent dimensions.", type=COUNT)
@_sized(
    "--units", "Width of the two hidden layers, or channels of the first convolution.", type=COUNT
)
@_sized("--epochs", "Epochs of training.", type=COUNT)
@_sized("--batch-size", "Images in a training step.", type=COUNT)
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
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option(
    "--num-samples",
    type=COUNT,
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
