# SPDX-License-Identifier: Apache-2.0
"""Where a report goes: a path, or a place in a bucket."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.errors import LoadTestError


def write_to(place: str, write: Callable[[Path], None]) -> None:
    """Let something be written to a path, or to ``s3://`` or ``gs://``.

    Args:
        place: Where to.
        write: Writes to the path it is given.

    Raises:
        LoadTestError: It cannot be written there; the text says why.
    """
    try:
        if "://" in place:
            _upload(place, write)
        else:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            write(Path(place))
    except OSError as err:
        raise LoadTestError(f"{place} could not be written: {err}") from err


def _upload(place: str, write: Callable[[Path], None]) -> None:
    import fsspec

    with TemporaryDirectory(prefix="portside-loadtest-") as folder:
        file = Path(folder, "report")
        write(file)
        try:
            with fsspec.open(place, "wb") as remote:
                remote.write(file.read_bytes())
        except (ImportError, ValueError) as err:  # no such scheme, or its package is not installed
            raise LoadTestError(f"{place} could not be written: {err}") from err
