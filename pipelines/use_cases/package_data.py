# SPDX-License-Identifier: Apache-2.0
"""Data files inside installed packages, read without importing the package and verified before anyone parses them."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from predictors.errors import PredictorError


class DataError(PredictorError):
    """The data of a use case are missing or are other ones; the text says what to install."""


@dataclass(frozen=True)
class PackageFile:
    """A data file that an installed package brings.

    Attributes:
        distribution: What is installed, with its version.
        package: The import name of its top-level package.
        path: The file's path inside the package.
        sha256: The file's digest.
    """

    distribution: str
    package: str
    path: str
    sha256: str

    def read(self) -> bytes:
        """Return the file's content; the package's code is never run.

        Raises:
            DataError: The package or the file is missing, or the file is another one.
        """
        spec = find_spec(self.package)
        folders = (spec.submodule_search_locations or []) if spec else []
        file = next((file for folder in folders if (file := Path(folder, self.path)).is_file()), None)
        if file is None:
            raise DataError(f'{self.distribution} is not installed; install the group "examples": {_INSTALL}')
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise DataError(f'{file} is not from {self.distribution}; install the group "examples": {_INSTALL}')
        return content


_INSTALL = "uv sync --group examples"
