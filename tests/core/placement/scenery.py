"""Fakes and makers for the tests of placement: a cache and a directory that are plain dictionaries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from zoned.core.members import DependencyDemand, HotInstance, Member, MemberState, Summary
from zoned.core.names import InstanceKey, Instant, KeyHash, NodeName, key_hash
from zoned.core.placement import PlacementSettings, Planner
from zoned.core.records import (
    DependencyForecast,
    DependencyPolicy,
    Entry,
    Forecast,
    InstanceDemand,
    Load,
    Plan,
    Reason,
    Source,
)
from zoned.core.ring import Ring, RingMember, RingSettings

DEP = "prices"
SIZE = 2048


def at(seconds: float) -> Instant:
    return Instant(seconds, 1_700_000_000.0 + seconds, 1_700_000_000.0 + seconds)


def key(number: int, dependency: str = DEP) -> InstanceKey:
    return InstanceKey(dependency, b"/item/%d" % number)


def hashed(number: int, dependency: str = DEP) -> KeyHash:
    return key_hash(key(number, dependency))


def price(source: Source) -> float:
    return {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}[source]


class Cache:
    """A store of keys in eviction order (next to go first), and who else claims what."""

    def __init__(self, keys: Iterable[InstanceKey] = (), free: float = 1.0) -> None:
        self.copies = {item: self.entry(item) for item in keys}
        self.claims: dict[KeyHash, tuple[NodeName, ...]] = {}
        self.free = free
        self.stay: float | None = None

    @staticmethod
    def entry(item: InstanceKey) -> Entry:
        return Entry(item, key_hash(item), SIZE, "v", 0.0, None, Reason.DEMAND, True)

    def holds(self, key: InstanceKey) -> bool:
        return key in self.copies

    def holders(self, hashed: KeyHash) -> tuple[NodeName, ...]:
        return self.claims.get(hashed, ())

    def entries(self) -> Iterable[Entry]:
        return self.copies.values()

    def capacity_left(self) -> float:
        return self.free

    def directory_sizes(self) -> Mapping[NodeName, int]:
        return Counter(node for nodes in self.claims.values() for node in nodes)

    def stay_s(self) -> float | None:
        return self.stay


def member(node: NodeName, zone: str, state: MemberState = MemberState.ALIVE, **changed: object) -> Member:
    fields: dict[str, object] = {
        "node": node, "zone": zone, "role": "zoned", "state": state, "incarnation": 1, "weight": 1,
        "gossip": ("127.0.0.1", 7946), "peer": ("127.0.0.1", 7947), "http": None,
        "since_wall_s": 0.0, "accuser": "", "rtt_s": None,
    }  # fmt: skip
    return Member(**(fields | changed))  # type: ignore[arg-type]


def zones_of(count: int) -> tuple[Member, ...]:
    return tuple(member(f"n{index}", f"z{index}") for index in range(count))


def ring_of(members: Sequence[Member], **settings: int) -> Ring:
    return Ring.build([RingMember(m.node, m.zone, m.weight) for m in members], RingSettings(**settings))


def forecast_of(
    chances: Mapping[int, float], demand: float = 1000.0, dependency: str = DEP, more: Sequence[str] = ()
) -> Forecast:
    lines = tuple(
        DependencyForecast(
            dependency=name,
            horizon_s=3600.0,
            mean=demand,
            quantiles=(0.0, demand, demand),
            model="x",
            error=None,
        )  # fmt: skip
        for name in (dependency, *more)
    )
    instances = tuple(
        InstanceDemand(key(number, dependency), hashed(number, dependency), 2 * chance, chance, SIZE)
        for number, chance in sorted(chances.items(), key=lambda pair: -pair[1])
    )
    return Forecast(made=at(0), dependencies=lines, instances=instances)


def summary_of(
    node: NodeName, zone: str, uses: Mapping[int, float], demand: float = 1000.0, dependency: str = DEP
) -> Summary:
    return Summary(
        node=node, zone=zone, made_wall_s=0.0, ring_id="", load=Load(), capacity_bytes=1 << 30,
        capacity_objects=10_000, used_ratio=0.5, hit_ratio=0.5,
        demand=(DependencyDemand(dependency, (demand / 2, demand, demand * 2), demand * 24),),
        hot=tuple(HotInstance(key(number, dependency), count, SIZE) for number, count in uses.items()),
    )  # fmt: skip


class Bench:
    """A planner with a world around it that a test can bend."""

    def __init__(
        self, zones: int = 3, me: int = 0, policies: Sequence[DependencyPolicy] = (), **settings: object
    ) -> None:
        self.members = zones_of(zones)
        self.ring = ring_of(self.members)
        self.cache = Cache()
        self.forecast = forecast_of({})
        self.summaries: dict[NodeName, Summary] = {}
        self.draining: tuple[str, ...] = ()
        self.paused = False
        self.thresholds: dict[tuple[str, Reason], float] = {}
        self.planner = Planner(
            PlacementSettings(**settings),  # type: ignore[arg-type]
            f"n{me}", f"z{me}", {policy.name: policy for policy in policies},
        )  # fmt: skip
        self.price = price
        self.now_s = 0.0

    def plan(self, after_s: float = 10.0) -> Plan:
        self.now_s += after_s
        return self.planner.plan(
            self.forecast, self.summaries, self.ring, self.cache, self.members, self.draining,
            self.paused, self.thresholds, self.price, at(self.now_s),
        )  # fmt: skip

    def wanted(self, after_s: float = 10.0) -> dict[int, Reason]:
        return {int(want.key.key.rsplit(b"/", 1)[1]): want.reason for want in self.plan(after_s).wants}
