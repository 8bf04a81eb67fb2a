# SPDX-License-Identifier: Apache-2.0
"""The models that gRPC is tested with, and requests for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from predictors import pack
from tests.predictors.grpc_client import raw_request, typed_request

X, Y = load_iris(return_X_y=True)
X32 = X.astype(np.float32)
TABLE = pd.DataFrame(
    {
        "colour": ["red", "green", "blue", "red", "green", "blue"],
        "count": [1, 2, 3, 4, 5, 6],
        "size": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], dtype=np.float32),
        "old": [True, False, True, False, True, False],
    }
)


def pack_models(out: Path) -> list[Path]:
    """Pack four models: one with a fast scorer, one without, one of FP32, and one of columns of many kinds."""
    fast = LogisticRegression(max_iter=500).fit(X, Y)
    slow = HistGradientBoostingClassifier(max_iter=5).fit(X, Y)
    tree = DecisionTreeClassifier(max_depth=3).fit(X32, Y)
    kinds = ColumnTransformer([("colour", OneHotEncoder(), ["colour"])], remainder="passthrough")
    mixed = make_pipeline(kinds, LogisticRegression()).fit(TABLE, ["a", "b", "a", "b", "a", "b"])
    return [
        pack(fast, X, name="fast", version="1.0.0", out=out),
        pack(slow, X, name="slow", version="2.0.0", out=out, onnx=False),
        pack(tree, X32, name="tree", version="1.0.0", out=out),
        pack(mixed, TABLE, name="mixed", version="1.0.0", out=out, tensors="columns"),
    ]


def iris(model: str = "fast", rows: int = 2, **fields: Any) -> Any:
    """Return a request with raw contents."""
    return raw_request(model, {"input": ("FP64", X[:rows])}, **fields)


def typed_iris(model: str = "fast", rows: int = 2, **fields: Any) -> Any:
    """Return one with typed contents."""
    return typed_request(model, {"input": ("FP64", "fp64_contents", X[:rows])}, **fields)


MIXED = {
    "colour": ("BYTES", "bytes_contents", TABLE["colour"].to_numpy(dtype=object)),
    "count": ("INT64", "int64_contents", TABLE["count"].to_numpy()),
    "size": ("FP32", "fp32_contents", TABLE["size"].to_numpy()),
    "old": ("BOOL", "bool_contents", TABLE["old"].to_numpy()),
}
