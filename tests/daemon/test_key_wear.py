"""The use of keys: counted, kept over a restart, shown, and warned of once."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from zoned.core.members import Member, MemberState
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.key_wear import LIMIT, KeyWear
from zoned.daemon.keyring import Keyring, fingerprint
from zoned.daemon.log import Log

OLD, NEW = b"o" * 32, b"n" * 32
OLD_PRINT, NEW_PRINT = fingerprint(OLD), fingerprint(NEW)


def member(node: str, state: MemberState) -> Member:
    return Member(
        node=node,
        zone="z",
        role="zoned",
        state=state,
        incarnation=1,
        weight=1,
        gossip=("127.0.0.1", 7946),
        peer=None,
        http=None,
        since_wall_s=0.0,
        accuser="",
        rtt_s=None,
    )


class Rig:
    def __init__(self, folder: Path, *keys: bytes, members: int = 1) -> None:
        self.path = folder / "keyring-use.json"
        self.keyring = Keyring(keys)
        self.seal = Seal(self.keyring)
        self.out = io.StringIO()
        log = Log(self.out, journal=False)
        pool = [member(f"n{number}", MemberState.ALIVE) for number in range(members)]
        pool.append(member("gone", MemberState.FAILED))
        self.wear = KeyWear(self.path, self.keyring, self.seal, lambda: pool, log)


def test_packets_and_streams_count_for_the_key_that_seals(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OLD, NEW)
    rig.seal.packet(b"\x08x")
    rig.seal.stream(b"\x08x")
    rig.seal.stream(b"", answer=True)  # nothing is sent, nothing is sealed
    assert rig.wear.collect() == {OLD_PRINT: 2, NEW_PRINT: 0}
    rig.keyring.use(NEW_PRINT)
    rig.seal.packet(b"\x08x")
    assert rig.wear.collect() == {OLD_PRINT: 2, NEW_PRINT: 1}
    rig.keyring.remove(OLD_PRINT)
    assert rig.wear.counters() == {"sealed": 1, "pool_used_ratio": 1 / LIMIT}


def test_what_goes_in_the_clear_does_not_count(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.seal.packet(b"\x08x")
    assert rig.wear.collect() == {} and rig.wear.counters() == {"sealed": 0, "pool_used_ratio": 0.0}


@pytest.mark.asyncio
async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    rig = Rig(tmp_path, OLD)
    rig.seal.packet(b"\x08x")
    await rig.wear.save()
    assert json.loads(rig.path.read_text()) == {OLD_PRINT: 1}
    again = Rig(tmp_path, OLD)
    again.seal.packet(b"\x08x")
    assert again.wear.collect() == {OLD_PRINT: 2}
    assert Rig(tmp_path, NEW).wear.collect() == {NEW_PRINT: 0}


@pytest.mark.parametrize(
    "text", ["[]", json.dumps({OLD_PRINT: "x"}), json.dumps({OLD_PRINT: -4}), "nonsense"]
)
def test_a_damaged_file_counts_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "keyring-use.json").write_text(text)
    rig = Rig(tmp_path, OLD)
    assert rig.wear.collect() == {OLD_PRINT: 0}
    assert ("counting anew" in rig.out.getvalue()) is (text == "nonsense")


@pytest.mark.parametrize(
    ("sealed", "members", "warned"), [(LIMIT // 2, 1, 1), (LIMIT // 8, 4, 1), (LIMIT // 8, 3, 0)]
)
def test_half_used_up_is_one_line(tmp_path: Path, sealed: int, members: int, warned: int) -> None:
    (tmp_path / "keyring-use.json").write_text(json.dumps({OLD_PRINT: sealed}))
    rig = Rig(tmp_path, OLD, members=members)
    rig.wear.review()
    rig.wear.review()
    assert rig.out.getvalue().count("zoned keyring install, then zoned keyring use") == warned
    assert OLD_PRINT in rig.out.getvalue() or not warned


@pytest.mark.asyncio
async def test_a_disk_that_refuses_is_a_warning(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "gone", OLD)
    rig.seal.packet(b"\x08x")
    await rig.wear.save()
    assert "cannot write" in rig.out.getvalue()
