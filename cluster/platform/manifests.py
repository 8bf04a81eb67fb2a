# SPDX-License-Identifier: Apache-2.0
"""Where the manifests are: beside the code in a checkout, or where a user has them."""

from pathlib import Path

from cluster.errors import ClusterError

PLACES = ("kind", "staging", "production")


def find_manifests(folder: Path | None) -> Path:
    """Return the folder ``manifests``.

    Args:
        folder: Where a user says it is; None looks in the working directory, then beside the code.

    Raises:
        ClusterError: It is in none of these places.
    """
    places = [folder] if folder else [Path("manifests"), Path(__file__).parents[1] / "manifests"]
    for place in places:
        if (place / "controllers" / "versions.env").is_file():
            return place
    told = " or ".join(str(place) for place in places)
    raise ClusterError(f"no manifests at {told}: run it from a checkout, or name the folder with --manifests")
