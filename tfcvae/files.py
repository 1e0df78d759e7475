"""Files that are complete at any time."""

import contextlib
import os
from pathlib import Path

_PARTIAL = ".partial"


def is_partial(path):
    """Whether a path is what a killed process left of a file."""
    return Path(path).name.startswith(".") and _PARTIAL in Path(path).suffixes


@contextlib.contextmanager
def replacing(path):
    """Yields a path beside `path` to write to; on success it is renamed onto `path`.

    An error, an interrupt or a kill before the end leaves the earlier file as it was. The yielded
    name is hidden and keeps the suffix. Missing parent directories are created.

    Args:
        path: path of the file.

    Raises:
        OSError: naming `path`, if it cannot be written, such as on a full disk.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}{_PARTIAL}{path.suffix}")
    try:
        yield temporary
        _to_disk(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None:
            raise OSError(f"{path}: {error}") from error
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _to_disk(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
