# SPDX-License-Identifier: Apache-2.0
"""How requests travel: by REST and by gRPC, under gevent. What network and server do comes back as a reply."""

from loadtests.transports.grpc import GrpcTransport
from loadtests.transports.reply import Reply, Transport
from loadtests.transports.rest import RestTransport

__all__ = ["GrpcTransport", "Reply", "RestTransport", "Transport"]
