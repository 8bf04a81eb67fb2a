# SPDX-License-Identifier: Apache-2.0
"""A folder that holds one ONNX file and no manifest: served as it is, under the signature that the file itself tells.

Nothing seals such a file and nothing says what it should answer. All that can be shown is that it loads and scores.
"""

import re
from pathlib import Path
from typing import Final

import numpy as np
import orjson

from predictors import sealing
from predictors.artifact import GOLDEN, LINEAR_MODEL, MANIFEST, NAME_PATTERN, REFERENCE, check_name
from predictors.datatypes import DTYPES
from predictors.errors import ArtifactError, InvalidRequestError, PackingError, PredictorError, quoted_names
from predictors.golden import request_document
from predictors.processing import Processing
from predictors.served_model import ServedModel
from predictors.signature import Signature, Tensors

_FIRST_VERSION: Final = "1"

#: Any of these tells of an artifact whose manifest was lost: what it would be checked against must not be passed over.
_OF_AN_ARTIFACT: Final = (GOLDEN, REFERENCE, LINEAR_MODEL, sealing.SIGNATURE, "model.skops", "model.joblib")


def find_plain_onnx(folder: Path) -> Path | None:
    """Return the only ONNX file of a folder; None where the folder is an artifact, broken or not, or is not there.

    Raises:
        ArtifactError: There is none, or several, and nothing says which one is the model.
    """
    if not folder.is_dir() or any((folder / name).exists() for name in (MANIFEST, *_OF_AN_ARTIFACT)):
        return None
    found = sorted(path for path in folder.glob("*.onnx") if path.is_file())
    if not found:
        raise ArtifactError(f"{folder}: holds neither {MANIFEST} nor an .onnx file; give the folder of a model")
    if len(found) > 1:
        raise ArtifactError(
            f"{folder}: holds several ONNX files ({quoted_names(path.name for path in found)}) and no {MANIFEST}; "
            "leave just one of them there"
        )
    return found[0]


def plain_name(path: Path) -> str:
    """Return the name that a plain ONNX file has unless it is given another: the file's own, without its ending.

    Raises:
        ArtifactError: No model can have that name.
    """
    try:
        check_name("name", path.stem)
    except ValueError as err:
        raise ArtifactError(f"{path}: {err}; rename the file, or give the model another name") from err
    return path.stem


def load_plain_onnx(path: Path, *, name: str | None = None) -> ServedModel:
    """Return the model in a plain ONNX file, warm: it answered a request of zeros and empty texts.

    Args:
        path: The file; all of its weights are in it. Its version is the folder's name where that begins with a digit,
            else 1.
        name: The name to serve it under; ``plain_name`` by default.

    Raises:
        ArtifactError: The file cannot be loaded, takes or gives what a V2 tensor cannot hold, or fails on such a
            request.
    """
    from predictors.onnx.plain import describe_onnx
    from predictors.scorers.onnx import OnnxScorer

    name = plain_name(path) if name is None else name
    folder = path.absolute().parent.name
    version = folder if folder[:1].isdigit() and re.match(NAME_PATTERN, folder) else _FIRST_VERSION
    try:
        inputs, outputs = describe_onnx(path)
    except PackingError as err:
        raise ArtifactError(str(err)) from err
    signature = Signature(inputs=inputs, outputs=outputs)
    model = ServedModel(name, version, OnnxScorer(path, inputs, outputs), Processing(signature, None))
    _warm_up(model, path)
    return model


def _warm_up(model: ServedModel, path: Path) -> None:
    # One row goes another way through the scorer than several do.
    for rows in (1, 2):
        request = request_document(_zeros(model.signature, rows), model.signature.inputs)
        try:
            model.answer(orjson.dumps(request))
        except InvalidRequestError:
            continue  # a refusal, as of a text that is no known category, is an answer too
        except PredictorError as err:
            raise ArtifactError(
                f"{path}: the model fails on a request of zeros and empty texts ({err}); pack it with rows that it can "
                "score: portside pack --sample"
            ) from err


def _zeros(signature: Signature, rows: int) -> Tensors:
    tensors = {}
    for spec in signature.inputs:
        shape = tuple(rows if size == -1 else size for size in spec.shape)
        tensors[spec.name] = np.full(shape, "" if spec.datatype == "BYTES" else 0, dtype=DTYPES[spec.datatype])
    return tensors
