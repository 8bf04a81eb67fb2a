# SPDX-License-Identifier: Apache-2.0
import asyncio
import socket

import pytest

from predictors.errors import SettingsError
from predictors.serving.ports import take_ports
from predictors.serving.settings import Settings


def test_answers_are_sent_at_once_and_not_held_back_for_more() -> None:
    ports = take_ports(Settings(host="127.0.0.1", http_port=0, enable_grpc=False))

    async def nodelay_of_an_accepted_connection() -> int:
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                accepted = transport.get_extra_info("socket")
                told.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()

        server = await asyncio.get_running_loop().create_server(Accepted, sock=ports.http)
        async with server:
            with socket.create_connection(("127.0.0.1", ports.http_port)):
                return await told

    assert asyncio.run(nodelay_of_an_accepted_connection()) != 0


def test_port_0_takes_a_free_one_for_each_protocol() -> None:
    ports = take_ports(Settings(host="127.0.0.1", http_port=0, grpc_port=0))
    assert ports.grpc is not None
    with ports.http, ports.grpc:
        assert 0 not in {ports.http_port, ports.grpc_port}


def test_grpc_clients_are_refused_until_the_server_is_ready_for_them() -> None:
    ports = take_ports(Settings(host="127.0.0.1", http_port=0, grpc_port=0))
    assert ports.grpc is not None
    with ports.http, ports.grpc:
        address = ("127.0.0.1", ports.grpc_port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        ports.listen()
        socket.create_connection(address).close()


@pytest.mark.parametrize("option", ["http", "grpc"])
def test_a_taken_port_names_the_option_that_mends_it(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"http_port": 0, "grpc_port": 0, f"{option}_port": taken.getsockname()[1]}
        with pytest.raises(SettingsError, match=f"--{option}-port"):
            take_ports(Settings(host="127.0.0.1", **ports))
