"""Runs the command line as `python -m tfcvae`."""

from tfcvae.cli import main

main(prog_name="tfcvae")
