"""A snapshot to show, with something in every part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zoned.core.members import Ages, Member, MemberState
from zoned.core.names import InstanceKey, Instant
from zoned.core.records import (
    ArmScore,
    DependencyForecast,
    Forecast,
    HandOver,
    InstanceDemand,
    LedgerLine,
    Plan,
    PlanLine,
    PrefetchOutcome,
    Reason,
    Source,
    Want,
)
from zoned.core.snapshot import CacheView, DependencyView, Disagreement, RingMemberView, RingView, Snapshot

STARTED = Instant(100.0, 1_795_000_000.0, 1_795_000_000.0)
NOW = Instant(3800.0, 1_795_003_700.0, 1_795_003_700.0)
NASTY = InstanceKey("shop", b'<script>alert("1")</script>\xff')


def member(
    node: str, zone: str, state: MemberState = MemberState.ALIVE, rtt_s: float | None = None
) -> Member:
    return Member(
        node=node,
        zone=zone,
        role="zoned",
        state=state,
        incarnation=3,
        weight=1,
        gossip=("127.0.0.1", 7946),
        peer=("127.0.0.1", 7947),
        http=None,
        since_wall_s=1_795_000_100.0,
        accuser="",
        rtt_s=rtt_s,
    )


def ledger_line(dependency: str, **changes: Any) -> LedgerLine:
    line = LedgerLine(
        dependency=dependency,
        requests=1000,
        hits=800,
        peer_hits=75,
        lru_hit_ratio=0.7,
        latency_s=50.0,
        lru_latency_s=90.0,
        origin_fetches=120,
        lru_origin_fetches=300.0,
        peer_transfers=80,
        prefetched=60,
        prefetch_used=50,
        prefetched_bytes=1 << 20,
        arms=(("lru", 0.0), ("sieve", 12.5)),
        eviction="sieve",
        why="it is better there",
    )
    return replace(line, **changes)


def snapshot(**changes: Any) -> Snapshot:
    """One zone of three, busy."""
    want = Want(NASTY, 7, 2048, Reason.FORECAST, 0.25, "n2")
    view: dict[str, Any] = {
        "node": "n1",
        "zone": "z1",
        "made": NOW,
        "started": STARTED,
        "leaving": False,
        "paused": False,
        "draining": (),
        "drained": False,
        "warm_ratio": 0.875,
        "members": (
            member("n1", "z1"),
            member("n2", "z2", rtt_s=0.08),
            member("n3", "z3", MemberState.FAILED),
        ),
        "ring": RingView(
            ring_id="00ff00ff00ff00ff",
            epoch=4,
            members=(
                RingMemberView(node="n1", zone="z1", weight=1, state=MemberState.ALIVE, owned_ratio=0.4),
                RingMemberView(
                    node="n2",
                    zone="z2",
                    weight=1,
                    state=MemberState.ALIVE,
                    owned_ratio=0.35,
                    flipped_ratio=0.25,
                    warming_since_wall_s=1_795_003_650.0,
                ),
                RingMemberView(node="n3", zone="z3", weight=1, state=MemberState.FAILED, owned_ratio=0.25),
            ),
            disagreeing=(Disagreement(node="n2", ring_id="1111111111111111", since_wall_s=1_795_003_000.0),),
        ),
        "plan": Plan(
            made=NOW,
            ring_id="00ff00ff00ff00ff",
            paused=False,
            wants=(want,),
            hand_over=(HandOver("n2", (NASTY,), (2048,)),),
            lines=(PlanLine("shop", ("z1", "z2"), 65536, 2, "replicas pay"),),
            draining=(),
            drained_ratio=None,
        ),
        "forecast": Forecast(
            made=NOW,
            dependencies=(
                DependencyForecast(
                    dependency="shop",
                    horizon_s=3600.0,
                    mean=120.0,
                    quantiles=(90.0, 118.0, 160.0),
                    model="median",
                    error=0.21,
                ),
                DependencyForecast(
                    dependency="shop",
                    horizon_s=86400.0,
                    mean=2400.0,
                    quantiles=(2000.0, 2390.0, 3000.0),
                    model="AutoETS",
                    error=None,
                ),
            ),
            instances=(InstanceDemand(NASTY, 7, 3.5, 0.97, 2048),),
        ),
        "queue": (want,),
        "flights": 2,
        "ledger": (ledger_line(""), ledger_line("shop")),
        "arms": (
            ArmScore("lru", 500, 0.7, 0.4, False),
            ArmScore("sieve", 500, 0.8, 0.6, True, "it is better"),
        ),
        "outcomes": (PrefetchOutcome("shop", Reason.FORECAST, 60.0, 50.0, 4.0),),
        "cache": CacheView(
            objects=12,
            used_bytes=34567,
            max_objects=None,
            max_bytes=1 << 28,
            eviction="sieve",
            directory={"n2": 9},
        ),
        "dependencies": (
            DependencyView(
                dependency="shop",
                accesses=1000,
                hits=800,
                by_source={Source.LOCAL: 800, Source.PEER: 80, Source.ORIGIN: 120},
                latency_s=50.0,
            ),
        ),
        "prices_s": dict.fromkeys(Source, 0.01),
        "summaries": {},
        "ages": {"n2": Ages(1.5, 0.25)},
        "counters": {
            "cache": {"evicted": 5, "false_positives": 4, "false_late": 2, "false_collision": 1},
            "flight": {"holders_asked": 40},
            "prefetch": {"used_forecast": 7, "dropped_full": 1},
            "gossip": {"queue_length": 0, "health_score": 1, "bytes_out": 99, "rejected_crc": 2},
        },
    }
    return Snapshot(**(view | changes))
