# SPDX-License-Identifier: Apache-2.0
"""The errors of a registry: each text says why and how to mend it."""

from predictors.errors import PredictorError


class RegistryError(PredictorError):
    """A registry cannot be reached or refuses."""


class VersionExistsError(RegistryError):
    """The version is there already; the text says whether it is the same artifact."""


class UnknownVersionError(RegistryError):
    """There is no such version, or no version that goes by this alias."""
