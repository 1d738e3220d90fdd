"""Listening: clear errors, bounded connections, no place held by the silent."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.daemon.fakes import until
from zoned.daemon import listener as module
from zoned.daemon.listener import HttpListener, ListenError, bind_tcp, bind_unix


def app() -> web.Application:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    made = web.Application()
    made.router.add_get("/", hello)
    return made


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as error:
            bind_tcp(("127.0.0.1", port), "http.listen")
    assert str(error.value) == (
        f"cannot listen on 127.0.0.1:{port} (http.listen): address already in use (is another agent running?)"
    )


def test_an_address_of_another_host_is_one_clear_line() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192.0.2.1:0 \(peer.listen\): Cannot assign"):
        bind_tcp(("192.0.2.1", 0), "peer.listen")


def test_a_unix_socket_is_for_owner_and_group_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run" / "zoned.sock"
    first = bind_unix(path, "http.socket")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(ListenError, match="already in use"):
        bind_unix(path, "http.socket")
    first.close()  # as after a crash: the file stays
    assert path.exists()
    bind_unix(path, "http.socket").close()


def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(ListenError):
        bind_unix(path, "http.socket")
    assert path.read_text() == "data"
    assert os.umask(0o022) == 0o022


@pytest.mark.asyncio
async def test_connections_over_the_limit_are_closed_and_counted() -> None:
    listener = HttpListener(app(), max_connections=2)
    sock = bind_tcp(("127.0.0.1", 0), "x")
    address = sock.getsockname()
    await listener.start(sock)
    held = [await asyncio.open_connection(*address) for _ in range(2)]
    reader, writer = await asyncio.open_connection(*address)
    assert await reader.read() == b""
    assert listener.refused == 1
    for _, one in [*held, (reader, writer)]:
        one.close()
        await one.wait_closed()

    async def answered() -> bool:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.get(f"http://127.0.0.1:{address[1]}/") as response:
                    return await response.text() == "hello"
            except aiohttp.ClientError:
                return False

    async with asyncio.timeout(5):
        while not await answered():  # the places are free again
            pass
    await listener.close()


@pytest.mark.asyncio
async def test_a_silent_connection_is_hung_up_and_one_that_spoke_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "FIRST_REQUEST_S", 0.05)
    listener = HttpListener(app(), max_connections=10)
    sock = bind_tcp(("127.0.0.1", 0), "x")
    address = sock.getsockname()
    await listener.start(sock)
    silent, silent_writer = await asyncio.open_connection(*address)
    silent_writer.write(b"GET / HT")
    talker, talker_writer = await asyncio.open_connection(*address)
    talker_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await talker.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    assert await silent.read() == b""
    talker_writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await talker.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    for writer in (silent_writer, talker_writer):
        writer.close()
    await until(lambda: not listener._silent)
    await listener.close()
