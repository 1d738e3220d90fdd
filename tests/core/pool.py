"""A few nodes on the virtual network, an origin that a test can script, and readers that are answered."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.core.solo import SIZE, START_S, settings_of
from zoned.core import events as ev
from zoned.core.events import FetchOutcome
from zoned.core.members import HoldingsHeard
from zoned.core.names import Fingerprint, InstanceKey, fingerprint_of, key_hash
from zoned.core.node import Node
from zoned.simulation.cluster import Cluster, chance
from zoned.simulation.host import Host
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.world import Answer

ORIGIN_S, RTT_S, HIT_S = 0.2, 0.08, 0.001


class Origin:
    """Gives everything in 0.2 s, but for what a test says. ``asked`` counts."""

    def __init__(self) -> None:
        self.asked: Counter[InstanceKey] = Counter()
        self.outcomes: dict[InstanceKey, FetchOutcome] = {}
        self.latency = ORIGIN_S
        self.size = SIZE

    def size_of(self, key: InstanceKey) -> int:
        return self.size

    def latency_s(self, key: InstanceKey) -> float:
        return self.latency

    def outcome(self, key: InstanceKey) -> FetchOutcome:
        self.asked[key] += 1
        return self.outcomes.get(key, FetchOutcome.OK)

    def ttl_s(self, key: InstanceKey) -> float | None:
        return None


class Pool:
    """Agents by name, booted, joined and settled. ``changed``: settings of all of them; ``each``: of one."""

    def __init__(
        self,
        *names: str,
        each: dict[str, dict[str, Any]] | None = None,
        settle_s: float = 10.0,
        **changed: Any,
    ) -> None:
        self.origin = Origin()
        self.answers: list[Answer] = []
        self.cluster = Cluster(
            network=Network(NetworkSettings(), chance(1, "network")),
            origin=self.origin,
            start_s=START_S,
            hit_s=HIT_S,
            rtt_s=RTT_S,
            instant_fetches=False,
            answered=self.answers.append,
        )
        self.names = names
        for number, name in enumerate(names):
            own = (each or {}).get(name, {})
            self.cluster.add(settings_of(name, number, **(changed | own))).boot()
            if number:
                self.give(name, ev.Join(seeds=(self.host(names[0]).settings.gossip_address,)))
        self.wait(settle_s)

    def host(self, name: str) -> Host:
        return self.cluster.hosts[name]

    def node(self, name: str) -> Node:
        node = self.host(name).node
        assert node is not None
        return node

    def give(self, name: str, event: ev.Event) -> None:
        self.host(name).give(event)

    def wait(self, seconds: float) -> None:
        self.cluster.run_until(self.cluster.schedule.now_s + seconds)

    def read(self, name: str, key: InstanceKey, client: bytes = b"") -> Answer:
        """One client reads, and waits for its answer."""
        known = len(self.answers)
        self.host(name).read(key, client)
        for _ in range(300):
            for answer in self.answers[known:]:
                if answer.node == name and answer.key == key:
                    return answer
            self.wait(0.1)
        raise AssertionError(f"nobody answered {name}'s read of {key.text()}")

    def holds(self, name: str, key: InstanceKey) -> bool:
        held = self.node(name).cache.holds(key)
        assert not held or key in self.host(name).store
        return held

    def claim(self, by: str, holder: str, *keys: InstanceKey) -> None:
        """``by`` is made to believe that ``holder`` holds these (a digest that errs)."""
        false: tuple[Fingerprint, ...] = tuple(fingerprint_of(key_hash(key)) for key in keys)
        self.node(by).cache.heard(HoldingsHeard(holder, false, (), False))
