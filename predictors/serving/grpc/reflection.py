# SPDX-License-Identifier: Apache-2.0
"""Server reflection: tells tools such as grpcurl what services there are, and their messages."""

import asyncio
from collections.abc import AsyncIterator
from functools import cache
from typing import Any, Final

from predictors.serving.grpc.health import HEALTH
from predictors.v2.messages import SERVICE, add_messages
from predictors.v2.protobuf import parse_message

#: The service's two names: its messages are the same bytes in both.
NAMES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


async def reflect(messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Answer questions about the services, for as long as the client has any."""
    # The library brings gRPC's whole core along, so it is imported when a tool asks, and outside the event loop.
    servicer, request_class = await asyncio.to_thread(_servicer)

    async def requests() -> AsyncIterator[Any]:
        async for body in messages:
            yield parse_message(request_class, body)

    async for response in servicer.ServerReflectionInfo(requests(), None):
        yield response.SerializeToString()


@cache
def _servicer() -> tuple[Any, Any]:
    """Return what answers, and the class of the requests."""
    from google.protobuf import descriptor_pb2, descriptor_pool  # type: ignore[import-untyped]
    from grpc_health.v1 import health_pb2
    from grpc_reflection.v1alpha import reflection, reflection_pb2

    pool = descriptor_pool.DescriptorPool()
    for module in (health_pb2, reflection_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        pool.Add(file)
    add_messages(pool)
    names = (SERVICE, HEALTH, NAMES[1])
    servicer = reflection.aio.ReflectionServicer(names, pool=pool)  # type: ignore[attr-defined]  # the stubs lack it
    return servicer, reflection_pb2.ServerReflectionRequest
