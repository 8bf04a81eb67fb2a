# SPDX-License-Identifier: Apache-2.0
"""Data that installed packages bring: their files are read, their code is never run."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from loadtests.errors import LoadTestError

_REMEDY: Final = "it comes with the group of examples: uv sync --group examples"


@dataclass(frozen=True)
class DataFile:
    """A file inside a package.

    Attributes:
        requirement: What is to be installed, such as ``name==1.0``.
        package: The package's import name.
        path: The file's path inside it.
        sha256: Of its content.
    """

    requirement: str
    package: str
    path: str
    sha256: str

    def read(self) -> bytes:
        """Return the file's content, once it is known to be the very one.

        Raises:
            LoadTestError: The package is not installed, or in another version.
        """
        spec = find_spec(self.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            file = Path(folder) / self.path
            if file.is_file():
                content = file.read_bytes()
                if hashlib.sha256(content).hexdigest() != self.sha256:
                    raise LoadTestError(f"{file} is not the file of {self.requirement}; {_REMEDY}")
                return content
        raise LoadTestError(f"the requests are drawn from {self.requirement}, which is not installed; {_REMEDY}")
