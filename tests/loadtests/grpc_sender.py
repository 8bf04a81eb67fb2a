# SPDX-License-Identifier: Apache-2.0
"""Sends a request by ``GrpcTransport`` whenever a line comes in, and prints the reply's code; Locust's world in small.

``python -m tests.loadtests.grpc_sender TIMEOUT TARGET [CONNECT_TO]`` reads whole numbers, one a line: so many requests
are sent at once.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402 (after the patches, as under Locust)
import sys  # noqa: E402

import gevent  # noqa: E402
from gevent.fileobject import FileObject  # noqa: E402

from loadtests.answers import AnswerCheck  # noqa: E402
from loadtests.payloads.grpc import encode_grpc  # noqa: E402
from loadtests.payloads.tensors import InferenceRequest, Tensor  # noqa: E402
from loadtests.transports import GrpcTransport  # noqa: E402


def main(timeout: str, target: str, connect_to: str | None = None) -> None:
    request = InferenceRequest((Tensor("input", "FP64", (1, 4), (5.1, 3.5, 1.4, 0.2)),), rows=1)
    encoded = encode_grpc(request, "iris")
    transport, check = GrpcTransport(target, timeout=float(timeout), connect_to=connect_to), AnswerCheck()

    def ask() -> tuple[str, str, str | None]:
        reply = transport.send(encoded)
        answer = check.read(encoded, reply)
        return reply.code, answer.version, answer.problem

    for line in FileObject(sys.stdin.buffer):
        asking = [gevent.spawn(ask) for _ in range(int(line))]
        gevent.joinall(asking, raise_error=True)
        print(json.dumps([one.value for one in asking]), flush=True)
    transport.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
