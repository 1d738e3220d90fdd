"""Garbage into the RESP front: answered in the protocol or closed, never believed, never fatal."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from tests.daemon.resp_parts import BODIES, command, resp_front

ROUNDS = 150
_INSERTS = (b"\r\n", b"*-1\r\n", b"$0\r\n", b"*3\r\n", b"$99999999999\r\n", b"\0")
_LINE = re.compile(rb"[-+:$*_%][^\r\n]*")
_SEEDS = (
    command("GET", "shop:a") * 3,
    command("MGET", "shop:a", "shop:b", "nope:c"),
    command("HELLO", "3", "AUTH", "default", "x", "SETNAME", "n") + command("GET", "shop:none"),
    command("CLIENT", "SETINFO", "LIB-NAME", "x") + command("COMMAND", "DOCS", "get"),
    command("SELECT", "0") + b"PING\r\nGET shop:a\r\n" + command("INFO", "server"),
)


def mutated(rng: random.Random) -> bytes:
    """A few bytes of good commands changed, lost, doubled or made up."""
    data = bytearray(b"".join(rng.choices(_SEEDS, k=3)))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(1, 9)]
            case 2:
                data[at:at] = data[at : at + rng.randrange(1, 30)]
            case _:
                data[at:at] = rng.choice(
                    [b"\r\n", b"*-1\r\n", b"$0\r\n", b"*3\r\n", b"$99999999999\r\n", b"\0"]
                )
    return bytes(data)


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(3))
async def test_garbage_is_answered_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    async with resp_front() as f:
        for _ in range(ROUNDS):
            sent = mutated(rng)
            reader, writer = await asyncio.open_connection("127.0.0.1", f.port)
            cut = rng.randrange(len(sent))
            writer.write(sent[:cut])
            await asyncio.sleep(0)
            writer.write(sent[cut:])
            writer.write_eof()
            try:
                answer = await reader.read()
            except ConnectionResetError:  # it was closed before it had taken all of what we sent
                answer = b""
            writer.close()
            assert not answer or _LINE.match(answer), answer[:80]
        assert f.front.counts.protocol_errors > ROUNDS / 10
        assert {key for key, _, _ in f.origin.asked} & set(BODIES)
        good = await f.connect()
        assert await good.ask("GET", "shop:b") == b"beta"
