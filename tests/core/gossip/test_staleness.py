"""How late what the others say may be: the bound of the settings, in a pool that loses packets."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import replace

import pytest

from tests.core.gossip.pool import Host, Pool
from tests.core.gossip.test_reconcile import LAN, summary


class Said:
    """When each host said what: its versions with the time that it first had them."""

    def __init__(self, pool: Pool, hosts: list[Host]) -> None:
        self._pool = pool
        self._hosts = hosts
        self._log: dict[tuple[str, int], list[tuple[int, float]]] = {}
        self.worst_s = 0.0
        self.oldest_s = 0.0

    def look(self) -> None:
        """Note what is new, then how long what anyone lacks has been said, and how old each thinks it is."""
        now_s = self._pool.now_s
        for host in self._hosts:
            for part, version in enumerate(versions(host, host, now_s)):
                log = self._log.setdefault((host.identity.node, part), [])
                if not log or log[-1][0] != version:
                    log.append((version, now_s))
        for reader in self._hosts:
            ages = reader.swim.ages(self._pool.now())
            self.oldest_s = max(self.oldest_s, max(max(pair) for pair in ages.values()))
            for host in self._hosts:
                for part, version in enumerate(versions(reader, host, now_s)):
                    log = self._log[host.identity.node, part]
                    lacked = bisect_right(log, (version, float("inf")))
                    if lacked < len(log):
                        self.worst_s = max(self.worst_s, now_s - log[lacked][1])


def versions(reader: Host, of: Host, now_s: float) -> tuple[int, int]:
    """(version of the log, version of the summary) of a host as another knows them."""
    known = reader.swim._reconciler.versions.of(of.identity.node, now_s)
    assert known is not None
    return known[1:]


@pytest.mark.parametrize(
    ("count", "seconds", "eager"), [(30, 60, LAN.eager_peers), (30, 60, 0)], ids=["pushed to all", "to a few"]
)
def test_nobody_knows_less_for_longer_than_the_settings_say(count: int, seconds: int, eager: int) -> None:
    settings = replace(LAN, eager_peers=eager)
    pool, rng = Pool(seed=5, loss=0.05), random.Random(5)
    hosts = pool.start(count, settings)
    pool.run(40)
    said = Said(pool, hosts)
    for turn in range(2 * seconds):
        for host in hosts:
            if rng.random() < 0.05:
                pool.do(host, "publish", summary(host, turn % 150 + 1))
            if rng.random() < 0.05:
                pool.do(host, "holding", [rng.randrange(1 << 32)], [])
        pool.run(0.5)
        said.look()
    assert 0 < said.worst_s <= settings.staleness_s(count)
    assert 0 < said.oldest_s <= settings.staleness_s(count)


def test_the_bound_follows_the_settings() -> None:
    assert LAN.staleness_s(30) == 1.0 + 5 * 2.0
    assert LAN.staleness_s(300) == 1.0 + 12 * 2.0
    assert replace(LAN, reconcile_interval_s=10.0).staleness_s(30) == 51.0
