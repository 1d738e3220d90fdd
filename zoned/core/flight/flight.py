"""One fetch: the steps it goes through, who waits for it, and how it ended.

A flight is a list of steps (holders, owner, origin) tried in order. Each attempt has a number of its
own, so a late answer of an abandoned attempt cannot be taken for the present one's. The table of what an
attempt's end leads to:

    attempt ended     steps left   another attempt open   ->
    OK                any          any                    landed (the others are abandoned)
    NOT_FOUND (origin) any         any                    failed: the origin has spoken
    TOO_LARGE         any          any                    failed: it would be too large from anywhere
    anything else     yes          any                    next step
    anything else     no           yes                    wait
    anything else     no           no                     failed
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from zoned.core.events import FetchOutcome
from zoned.core.names import InstanceKey, KeyHash, NodeName
from zoned.core.records import Reason, Source


class StepKind(Enum):
    """Whom an attempt asks, and for what."""

    OWNER = "owner"
    HOLDER = "holder"
    PREFETCH = "prefetch"
    ORIGIN = "origin"


class Step(NamedTuple):
    """One attempt to be made. ``node`` is empty for the origin."""

    kind: StepKind
    node: NodeName


TO_ORIGIN = Step(StepKind.ORIGIN, "")


class Waiter(NamedTuple):
    """A client's read, or a peer's (``peer`` True), that this flight will answer."""

    request: int
    client: bytes
    peer: bool
    since_s: float


@dataclass(slots=True)
class Attempt:
    """One attempt under way."""

    fetch: int
    step: Step
    deadline_s: float
    hedge_s: float


@dataclass(slots=True)
class Flight:
    """The state of one fetch."""

    key: InstanceKey
    key_hash: KeyHash
    reason: Reason
    started_s: float
    steps: list[Step]  # what is left, first one next
    ring_id: str
    attempts: list[Attempt] = field(default_factory=list)
    waiters: list[Waiter] = field(default_factory=list)
    poisoned: bool = False  # invalidated meanwhile: answer, but do not keep
    false_holders: list[NodeName] = field(default_factory=list)
    spent_s: float = 0.0  # by attempts that are over


class Landing(NamedTuple):
    """How a flight ended. ``fetch`` names the bytes when ``outcome`` is OK."""

    flight: Flight
    outcome: FetchOutcome
    fetch: int
    source: Source
    node: NodeName
    size: int
    version: str
    ttl_s: float | None
    latency_s: float
    detail: str
