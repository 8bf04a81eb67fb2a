# SPDX-License-Identifier: Apache-2.0
"""V2 over gRPC, with raw tensors."""

from loadtests.payloads.raw import to_raw
from loadtests.payloads.tensors import EncodedRequest, InferenceRequest

INFER_METHOD = "/inference.GRPCInferenceService/ModelInfer"


def encode_grpc(request: InferenceRequest, model: str, version: str | None = None) -> EncodedRequest:
    """Return the request as a ``ModelInferRequest`` with raw input contents.

    Raises:
        LoadTestError: A text is missing, which raw tensors cannot say.
    """
    from tritonclient.grpc import service_pb2  # it brings grpc, which only those need who send by it

    message = service_pb2.ModelInferRequest(model_name=model, model_version=version or "")
    for tensor in request.inputs:
        message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        message.raw_input_contents.append(to_raw(tensor))
    return EncodedRequest(
        protocol="grpc",
        path=INFER_METHOD,
        headers={},
        body=message.SerializeToString(),
        request=request,
        binary=True,
        model=model,
        version=version,
    )
