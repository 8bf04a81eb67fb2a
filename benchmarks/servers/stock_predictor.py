# SPDX-License-Identifier: Apache-2.0
"""The peer: a custom predictor the way KServe's documentation writes one, for a model saved with joblib.

It makes one scoring call for each request and answers with the probabilities alone.
"""

import argparse

import joblib
import kserve
from kserve import InferRequest, InferResponse
from kserve.utils.utils import get_predict_input, get_predict_response


class SklearnModel(kserve.Model):  # type: ignore[misc]  # KServe ships no types
    """A scikit-learn classifier."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.path = path
        self.load()

    def load(self) -> bool:
        """Load the model; it is ready from then on."""
        self.model = joblib.load(self.path)
        self.ready = True
        return self.ready

    async def predict(self, payload: InferRequest, headers: dict[str, str] | None = None) -> InferResponse:  # noqa: ARG002
        """Return the probabilities of the request's rows."""
        result = self.model.predict_proba(get_predict_input(payload))
        return get_predict_response(payload, result, self.name)


def serve(predictor: type[SklearnModel]) -> None:
    """Serve the models of the command line, NAME=FILE each, until a signal ends it."""
    parser = argparse.ArgumentParser(parents=[kserve.model_server.parser])
    parser.add_argument("models", nargs="+", metavar="NAME=FILE")
    arguments = parser.parse_args()
    kserve.ModelServer().start([predictor(*model.split("=", 1)) for model in arguments.models])


if __name__ == "__main__":
    serve(SklearnModel)
