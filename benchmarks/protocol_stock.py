# SPDX-License-Identifier: Apache-2.0
"""The peer of the protocol's table: a custom predictor as KServe's documentation writes one, with two named outputs."""

from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse
from kserve.utils.numpy_codec import from_np_dtype
from kserve.utils.utils import generate_uuid, get_predict_input

from benchmarks.servers.stock_predictor import SklearnModel, serve


class TwoOutputs(SklearnModel):
    """A scikit-learn classifier that tells its label too."""

    async def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:  # noqa: ARG002 (KServe's)
        """Return labels and probabilities of the request's rows."""
        rows = get_predict_input(payload)
        labels, probabilities = self.model.predict(rows), self.model.predict_proba(rows)
        if not isinstance(payload, InferRequest):
            pairs = zip(labels.tolist(), probabilities.tolist(), strict=True)
            return {"predictions": [{"label": label, "probabilities": row} for label, row in pairs]}
        if labels.dtype.kind == "U":
            labels = labels.astype(object)
        return InferResponse(
            model_name=self.name,
            infer_outputs=[_output("label", labels, payload), _output("probabilities", probabilities, payload)],
            response_id=payload.id or generate_uuid(),
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


def _output(name: str, array: Any, payload: InferRequest) -> InferOutput:
    datatype = "BYTES" if array.dtype == np.object_ else from_np_dtype(array.dtype)
    output = InferOutput(name=name, shape=list(array.shape), datatype=datatype)
    output.set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
    return output


if __name__ == "__main__":
    serve(TwoOutputs)
