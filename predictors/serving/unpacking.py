# SPDX-License-Identifier: Apache-2.0
"""Bodies and messages that come packed: unpacked up to a limit, and never a byte more."""

import zlib
from typing import Final

from predictors.errors import InvalidRequestError, RequestTooLargeError

#: For each content encoding, the window that zlib reads it with: gzip's own header, or zlib's.
ENCODINGS: Final = {b"gzip": 16 + zlib.MAX_WBITS, b"x-gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}


def unpacked(body: bytes, encoding: bytes, limit: int) -> bytes:
    """Return a packed body as it was; never more than the limit is unpacked.

    Raises:
        InvalidRequestError: The body is not packed as its encoding says, or ends too early.
        RequestTooLargeError: It holds more than so many bytes.
    """
    unpacker = zlib.decompressobj(ENCODINGS[encoding])
    try:
        content = unpacker.decompress(body, limit + 1)
    except zlib.error as err:
        raise InvalidRequestError(f"the body is not {encoding.decode()}, as its Content-Encoding says") from err
    if len(content) > limit:
        raise too_large(limit)
    if not unpacker.eof or unpacker.unused_data:
        raise InvalidRequestError(f"the body is not one whole {encoding.decode()} stream")
    return content


def too_large(limit: int) -> RequestTooLargeError:
    """Return the refusal of a body over the limit."""
    return RequestTooLargeError(f"the request's body is over the limit of {limit} bytes")
