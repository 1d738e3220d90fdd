"""Evidence of what follows what: arrives whole, in packets, and nonsense is refused."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.core.gossip.pool import Host, Pool
from zoned.core.errors import PeerError
from zoned.core.gossip.channel import PAIRS
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
        [["web", b"/", 1, [["web", b"/a", 1, -1.0]]]],
        [["web", b"/", 1, [["web", b"/a", 1, 1.0]] * 65]],
        [["web", b"/", 1, []]] * 257,
    ],
)
def test_nonsense_is_refused(rows: Any) -> None:
    host = Pool().start(2)[0]
    with pytest.raises(PeerError):
        host.swim._reconciler.pairs.hear([PAIRS, "n001", rows])
    assert heard(host) == []
