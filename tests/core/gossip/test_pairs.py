"""Evidence of what follows what: arrives whole, in packets, and nonsense is refused."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.core.gossip.pool import Host, Pool
from zoned.core.errors import PeerError
from zoned.core.gossip.channel import PAIRS, encode_body
from zoned.core.members import Follower, PairsHeard, Sighting
from zoned.core.names import InstanceKey


def sightings(count: int) -> list[Sighting]:
    rng = random.Random(1)
    return [
        Sighting(
            InstanceKey("web", b"/page/%d" % number),
            rng.randrange(1, 9),
            tuple(
                [Follower(InstanceKey("web", b"/part/%d/%d" % (number, i)), 1 + i, 0.5 * i) for i in range(4)]
            ),
        )
        for number in range(count)
    ]


def test_followers_of_another_dependency_keep_their_name() -> None:
    pool = Pool()
    hosts = pool.start(2)
    pool.run(5)
    keys = [InstanceKey("web", b"/"), InstanceKey("web", b"/a"), InstanceKey("döner", b"/a")]
    told = Sighting(keys[0], 3, (Follower(keys[1], 2, 0.001), Follower(keys[2], 1, 1e6)))
    hosts[0].swim.paired([told])
    pool.after(hosts[0])
    pool.run(5)
    assert heard(hosts[1]) == [told]


def heard(host: Host) -> list[Sighting]:
    return [each for news in host.news if isinstance(news, PairsHeard) for each in news.sightings]


def test_evidence_reaches_everybody_once() -> None:
    pool = Pool()
    hosts = pool.start(4)
    pool.run(5)
    told = sightings(60)
    hosts[0].swim.paired(told)
    pool.after(hosts[0])
    pool.run(5)
    for host in hosts[1:]:
        assert sorted(heard(host)) == sorted(told)
    assert heard(hosts[0]) == []


def test_packets_are_filled_and_none_has_to_go_as_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    host, rng, told = Pool().start(2)[0], random.Random(2), []
    monkeypatch.setattr(host.swim._reconciler._channel, "push", lambda fields: told.append(fields))
    follower = Follower(InstanceKey("döner", bytes(30)), 1 << 20, 1e6)
    most = [
        Sighting(InstanceKey("döner", bytes(rng.randrange(1, 200))), 1 << 20, (follower,) * rng.randrange(9))
        for _ in range(200)
    ]
    host.swim.paired(most)
    room = host.swim._reconciler.pairs._wiring.settings.room_bytes
    sizes = [len(encode_body(fields)) for fields in told]
    assert [row[1] for fields in told for row in fields[2]] == [one.key.key for one in most]
    assert max(sizes) < room and sum(sizes) > 0.6 * room * (len(sizes) - 1)


@pytest.mark.parametrize(
    "rows",
    [
        7,
        [7],
        [["web", b"/"]],
        [["web", b"/", 1, 7]],
        [["web", "/", 1, []]],
        [["web", b"", 1, []]],
        [["web", b"/", -1, []]],
        [["web", b"/", 1 << 40, []]],
        [["web", b"/", True, []]],
        [[b"web", b"/", 1, []]],
        [["web", b"/", 1, [["web", b"/a", 1]]]],
        [["web", b"/", 1, [["web", b"/a", 1, float("nan")]]]],
        [["web", b"/", 1, [["web", b"/a", 1, -1]]]],
        [["web", b"/", 1, [["web", b"/a", 1, 1 << 40]]]],
        [["web", b"/", 1, [[b"", b"/a", 1, 1]]]],
        [["web", b"/", 1, [["web", b"/a", 1, 1]] * 65]],
        [["web", b"/", 1, []]] * 257,
    ],
)
def test_nonsense_is_refused(rows: Any) -> None:
    host = Pool().start(2)[0]
    with pytest.raises(PeerError):
        host.swim._reconciler.pairs.hear([PAIRS, "n001", rows])
    assert heard(host) == []
