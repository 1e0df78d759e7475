"""Options that several commands take."""

import click

COUNT = click.IntRange(min=1)
SEED = click.IntRange(0, 2**31 - 1)
DATA_DIR = click.option(
    "--data-dir", type=click.Path(exists=True, file_okay=False), help="Where the IDX files lie."
)
