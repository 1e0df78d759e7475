"""The command line `tfcvae`: trains, scores, draws from, exports and checks models.

Whatever needs TensorFlow is imported inside the commands, so that help and mistakes are answered
at once.
"""

import click

from tfcvae import __version__
from tfcvae.cli import train, use
from tfcvae.cli.startup import Program


@click.group(cls=Program, invoke_without_command=True)
@click.version_option(__version__, prog_name="tfcvae")
@click.pass_context
def main(context):
    """Trains, scores, draws from and exports VAEs and conditional VAEs."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (train.train, use.evaluate, use.sample, use.export, use.serve_check):
    main.add_command(_command)
