# SPDX-License-Identifier: Apache-2.0
"""One loaded model version: tensors in, tensors out; or a request's bytes in, the answer's bytes out."""

import logging

from predictors.errors import InvalidRequestError
from predictors.processing import Processing
from predictors.scorers.scorer import Scorer
from predictors.signature import Tensors
from predictors.v2.request import RequestReader
from predictors.v2.response import Answer, ResponseWriter

_log = logging.getLogger(__name__)


class ServedModel:
    """A scorer between its processing, with the name and version it answers for.

    Attributes:
        name: The model's name in V2 URLs and answers.
        version: Its version.
        signature: The tensors that clients see.
        scorer: What computes the model's outputs.
    """

    def __init__(self, name: str, version: str, scorer: Scorer, processing: Processing) -> None:
        self.name = name
        self.version = version
        self.scorer = scorer
        self.signature = processing.signature()
        self.reader = RequestReader(self.signature)
        self._processing = processing
        self._writer = ResponseWriter(name, version, self.signature)

    def answer(self, body: bytes | memoryview, json_length: int | None = None) -> Answer:
        """Return the V2 answer to a V2 request: bytes -> validated request -> arrays -> scores -> bytes.

        Args:
            body: The request's body.
            json_length: The length of its JSON part when raw tensors follow; None when all of it is JSON.

        Raises:
            InvalidRequestError: The request does not fit the signature, or the model cannot score its values.
        """
        request = self.reader.read(body, json_length)
        return self._writer.write(request, self.predict(request.inputs))

    def predict(self, inputs: Tensors) -> Tensors:
        """Return the public outputs for inputs that fit the public signature.

        Raises:
            InvalidRequestError: The values mean nothing to the model.
        """
        prepared = self._processing.preprocess(inputs)
        try:
            scores = self.scorer.score(prepared)
        except (ValueError, OverflowError) as err:
            # The tensors fit the signature, so what scikit-learn refuses here are their values.
            _log.info("model %s %s refused a request's values: %s", self.name, self.version, err)
            raise InvalidRequestError(
                "the model cannot score these values; they are too large for it or of a kind it was not fitted on"
            ) from err
        return self._processing.postprocess(scores, inputs)
