# SPDX-License-Identifier: Apache-2.0
"""One loaded model version: tensors in, tensors out; or a request's bytes in, the answer's bytes out."""

import logging
from collections.abc import Sequence

import numpy as np

from predictors.datatypes import DTYPES
from predictors.errors import InvalidRequestError
from predictors.processing import Processing
from predictors.reference import Reference
from predictors.rows import number_of_rows, stack, take
from predictors.scorers.scorer import Scorer
from predictors.signature import Signature, Tensors
from predictors.v2.request import RequestReader
from predictors.v2.response import Answer, ResponseWriter

_log = logging.getLogger(__name__)


class ServedModel:
    """A scorer between its processing, with the name and version it answers for.

    Attributes:
        name: The model's name in V2 URLs and answers.
        version: Its version.
        signature: The tensors that clients see.
        model_signature: The tensors of the model itself, within its processing.
        scorer: What computes the model's outputs.
        reader: Reads its requests.
        writer: Writes its answers.
        reference: The distribution it was packed with; None where that is not known.
        joins: Whether the rows of several requests may be scored together: found, where the model is loaded, to give
            the same outputs bit for bit.
    """

    def __init__(
        self, name: str, version: str, scorer: Scorer, processing: Processing, *, reference: Reference | None = None
    ) -> None:
        self.name = name
        self.version = version
        self.scorer = scorer
        self.signature = processing.signature()
        self.model_signature = processing.model_signature
        self.reader = RequestReader(self.signature)
        self.writer = ResponseWriter(name, version, self.signature)
        self.reference = reference
        self.joins = False
        self._processing = processing
        self._is_bare = type(processing) is Processing
        self._nothing = _outputs_of_no_rows(self.model_signature)

    def answer(self, body: bytes | memoryview, json_length: int | None = None) -> Answer:
        """Return the V2 answer to a V2 request: bytes -> validated request -> arrays -> scores -> bytes.

        Args:
            body: The request's body.
            json_length: The length of its JSON part when raw tensors follow; None when all of it is JSON.

        Raises:
            InvalidRequestError: The request does not fit the signature, or the model cannot score its values.
        """
        request = self.reader.read(body, json_length)
        return self.writer.write(request, self.predict(request.inputs))

    def predict(self, inputs: Tensors) -> Tensors:
        """Return the public outputs for inputs that fit the public signature.

        Raises:
            InvalidRequestError: The values mean nothing to the model.
        """
        if self._is_bare:
            return self._score(inputs)
        return self._processing.postprocess(self._score(self._processing.preprocess(inputs)), inputs)

    def predict_together(self, requests: Sequence[Tensors]) -> list[Tensors | Exception]:
        """Return each request's outputs, its rows scored in one call with those of the others.

        A request that cannot be scored gets its own error, and the others their answers all the same.
        """
        results: list[Tensors | Exception | None] = [None] * len(requests)
        prepared: list[tuple[int, Tensors]] = []
        for place, inputs in enumerate(requests):
            try:
                prepared.append((place, self._processing.preprocess(inputs)))
            except Exception as err:
                # The request's edge, as it were: its fault is nobody else's.
                results[place] = err
        try:
            outputs = self._score(stack([tensors for _, tensors in prepared])) if prepared else {}
            start = 0
            for place, tensors in prepared:
                end = start + number_of_rows(tensors)
                part = take(outputs, slice(start, end))
                results[place] = self._processing.postprocess(part, requests[place])
                start = end
        except Exception:
            # One request's values spoiled it for all: each is asked by itself.
            return [self._predict_or_error(inputs) for inputs in requests]
        return [result for result in results if result is not None]

    def _predict_or_error(self, inputs: Tensors) -> Tensors | Exception:
        try:
            return self.predict(inputs)
        except Exception as err:
            # As above.
            return err

    def _score(self, prepared: Tensors) -> Tensors:
        try:
            return self.scorer.score(prepared)
        except (ValueError, OverflowError) as err:
            if self._nothing is not None and number_of_rows(prepared) == 0:
                # Estimators refuse to be asked for nothing, each in its own way.
                return self._nothing
            # The tensors fit the signature, so what scikit-learn refuses here are their values. Its text has them.
            _log.info("model %s %s refused a request's values: %s", self.name, self.version, type(err).__name__)
            raise InvalidRequestError(
                "the model cannot score these values; they are too large for it or of a kind it was not fitted on"
            ) from err


def _outputs_of_no_rows(signature: Signature) -> Tensors | None:
    """Return what a model of rows gives for none of them; None where the signature does not tell."""
    if any(spec.shape[:1] != (-1,) for spec in signature.inputs):
        return None
    if any(spec.shape[:1] != (-1,) or -1 in spec.shape[1:] for spec in signature.outputs):
        return None
    return {spec.name: np.empty((0, *spec.shape[1:]), DTYPES[spec.datatype]) for spec in signature.outputs}
