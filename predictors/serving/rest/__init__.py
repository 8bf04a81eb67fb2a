# SPDX-License-Identifier: Apache-2.0
"""REST on uvicorn: the protocol class, the hot path in it, and the ASGI app behind it."""
