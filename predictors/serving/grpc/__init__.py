# SPDX-License-Identifier: Apache-2.0
"""gRPC on an HTTP/2 of its own: connections, calls, and the services that answer them."""
