"""What happens before TensorFlow is imported, and how errors end the command."""

import contextlib
import os
import shlex
import sys

import click


class Program(click.Group):
    """A group of commands that reports every expected error in one line, without a traceback."""

    def main(self, args=None, prog_name=None, standalone_mode=True, **extra):
        extra["obj"] = shlex.join(["tfcvae", *(sys.argv[1:] if args is None else args)])
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.Abort:
            code = _report("interrupted", 130)
        except click.ClickException as error:
            code = _report(error.format_message(), error.exit_code)
        except FloatingPointError as error:
            code = _report(error, 1)
        except (ValueError, OSError) as error:
            code = _report(error, 2)
        sys.exit(code or 0)


def _report(message, code):
    click.echo("Error: " + " ".join(str(message).split()), err=True)
    return code


def import_tensorflow():
    """Imports TensorFlow without its log lines, unless the user has set their level."""
    with quietly():
        import tfcvae.models  # noqa: F401


def quietly():
    """A context without TensorFlow's log lines, unless the user has set their level.

    The lines written while its libraries load obey no setting, hence the detour of the descriptor.
    """
    quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return _without_stderr() if quiet else contextlib.nullcontext()


@contextlib.contextmanager
def _without_stderr():
    saved = os.dup(2)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
