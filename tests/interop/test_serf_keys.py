"""Encrypted pools with Debian's real ``serf agent -encrypt``: sealed both ways, wrong keys kept out."""

from __future__ import annotations

import pytest

from tests.interop.members import gossiper, join, needs_serf, now, serf_agent
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring, generate, parse_key

pytestmark = needs_serf


def seal(*keys: str) -> Seal:
    return Seal(Keyring([parse_key(key) for key in keys]))


@pytest.mark.asyncio
async def test_one_sealed_pool() -> None:
    """Also with a second key, of which Serf knows nothing, and packets compressed before they are sealed."""
    key = generate()
    ours = seal(key, generate())
    async with (
        serf_agent("stock", f"-encrypt={key}") as serf,
        gossiper("z-1", "eu-1", seal=ours, compress=True) as one,
    ):
        join(one, serf.address)
        await one.until(lambda: one.state("stock") == "alive")
        await serf.lists("z-1", "alive", "zone=eu-1", "role=zoned")
        code, output = await serf.call("reachability")
        assert code == 0 and "Successfully contacted all live nodes" in output, output
        await serf.call("event", "deploy", "v1")
        await one.until(lambda: one.swim.counters.get("events_heard", 0) == 1)
        one.swim.leave(now())
        one.after()
        await serf.lists("z-1", "left")
        assert [line for line in serf.lines if "[WARN]" in line or "[ERR]" in line] == []
        assert one.io.refusals.counters == {}


@pytest.mark.asyncio
async def test_serf_joins_us() -> None:
    key = generate()
    async with gossiper("z-1", "eu-1", seal=seal(key)) as one:
        seed = f"-join=127.0.0.1:{one.address[1]}"
        async with serf_agent("stock", f"-encrypt={key}", seed) as serf:
            await one.until(lambda: one.state("stock") == "alive")
            await serf.lists("z-1", "alive", "zone=eu-1")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("ours", "theirs", "line"),
    [
        ("a", "b", "encrypted with a key that is not in our keyring"),
        ("", "b", "we have no key"),
        ("a", "", "not encrypted and we require that"),
    ],
)
async def test_who_has_not_the_key_stays_out_and_is_told_of(ours: str, theirs: str, line: str) -> None:
    keys = {"a": generate(), "b": generate()}
    arguments = [f"-encrypt={keys[theirs]}"] if theirs else []
    mine = seal(keys[ours]) if ours else seal()
    async with serf_agent("stock", *arguments) as serf, gossiper("z-1", "eu-1", seal=mine) as one:
        join(one, serf.address)
        await serf.call("join", f"127.0.0.1:{one.address[1]}")
        await one.until(lambda: any(line in note for note in one.notes))
        assert any(note.startswith("gossip from 127.0.0.1:") for note in one.notes)
        assert await serf.row("z-1") == "" and one.state("stock") == ""
