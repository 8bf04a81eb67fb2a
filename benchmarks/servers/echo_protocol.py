# SPDX-License-Identifier: Apache-2.0
"""An echo inside an asyncio protocol on uvloop, requests parsed by httptools."""

import asyncio
import sys
from typing import cast

import httptools
import uvloop


class _Echo(asyncio.Protocol):
    """Answers each request with its own body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body; called by the parser."""
        self.body += body

    def on_message_complete(self) -> None:
        """Answer; called by the parser."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(self.body)
        self.transport.write(head + self.body)
        self.body = b""


async def main(port: int) -> None:
    """Serve until a signal ends the process."""
    server = await asyncio.get_running_loop().create_server(_Echo, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
