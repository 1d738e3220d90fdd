"""Arrows in: everything that can happen to a node. A world (daemon or simulation) makes them.

Each is valid once built. Bytes of objects never appear here: the world keeps them under the
``fetch`` number and moves them when an action says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

from zoned.core.names import Address, InstanceKey, KeyHash, NodeName, Zone
from zoned.core.records import Access, FitResult, Load, Source


class Purpose(Enum):
    """Why another agent asks us for an instance.

    ``COPY``: "give it to me if you hold it"; never makes us fetch, so reads cannot loop.
    ``OWNER``: "get it for me as its owner"; may make us ask a holder (COPY) or the origin, never
    another owner. ``PREFETCH``: as COPY, but not a use (it must not heat the holder's copy).
    """

    COPY = "copy"
    OWNER = "owner"
    PREFETCH = "prefetch"


class FetchOutcome(Enum):
    """How a fetch ended, as the world saw it."""

    OK = "ok"
    NOT_HELD = "not_held"  # the peer has no copy: its digest was late or a false positive
    NOT_FOUND = "not_found"  # the origin says that there is no such instance
    TOO_LARGE = "too_large"  # over the dependency's max_object
    FAILED = "failed"  # refused, reset, 5xx, malformed
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The deadline that ``next_deadline`` named has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A client of this zone reads an instance through us. ``client`` groups one user's reads, or is empty."""

    request: int
    key: InstanceKey
    client: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRead:
    """Another agent asks us for an instance. ``ring_id`` is the ring it computed its choice from."""

    request: int
    key: InstanceKey
    sender: NodeName
    purpose: Purpose
    ring_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchDone:
    """The fetch of that number ended. ``size`` in bytes; ``ttl_s`` what its source says of freshness
    (None: it says nothing); ``latency_s`` from the order to the last byte."""

    fetch: int
    outcome: FetchOutcome
    size: int = 0
    version: str = ""
    ttl_s: float | None = None
    latency_s: float = 0.0
    detail: str = ""
    ring_id: str = ""  # of the agent that answered; "" from an origin


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessBatch:
    """Uses that did not come through us, reported from outside."""

    accesses: tuple[Access, ...]


class LocalUse(NamedTuple):
    """An instance that the world served from our store without asking, ``times`` times."""

    key: InstanceKey
    key_hash: KeyHash
    times: int


class Step(NamedTuple):
    """One access of one client, where the order of its accesses may mean something."""

    key: InstanceKey
    key_hash: KeyHash
    client: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHits:
    """Reads that the world answered from our store without asking (see ``actions.Serve``), summed up since
    the last such event. Each is in ``uses``; ``steps`` repeats those whose order may teach what follows what.
    """

    uses: tuple[LocalUse, ...]
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What reads from that source took since the last such event: ``count`` of them, mean in seconds."""

    source: Source
    mean_s: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLost:
    """The store no longer has these, though the index believed so."""

    keys: tuple[InstanceKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Another agent offers copies, hottest first. ``going``: it is about to give up all that it holds (it
    drains, or leaves)."""

    sender: NodeName
    keys: tuple[InstanceKey, ...]
    sizes: tuple[int, ...]
    going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketReceived:
    """A gossip datagram. ``private``: it came sealed, and whatever we send is sealed, so that keys may be in
    it and in our answer."""

    data: bytes
    sender: Address
    private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReceived:
    """One whole gossip message came in on a TCP stream; answer with ``StreamReply`` of the same number."""

    stream: int
    data: bytes
    sender: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamAnswered:
    """The answer to our ``StreamCall`` of that number; None when there was none in time.

    ``refused``: there was none because the host over there says that nothing listens at that address."""

    call: int
    data: bytes | None
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSampled:
    """The host's load now."""

    load: Load


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsFitted:
    """The worker's answer to a ``Fit``; ``result`` None when it failed or was too late."""

    job: int
    result: FitResult | None


class StopKind(Enum):
    """RESTART holds our place in the ring for ``restart_grace``; LEAVE gives it up."""

    RESTART = "restart"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The agent is going to end; what must still be said is said now."""

    kind: StopKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Join the pool by these seeds."""

    seeds: tuple[Address, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Warm the other zones, then let the traffic of this zone go."""

    zone: Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Undrain:
    """The zone takes traffic again."""

    zone: Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Stop (or resume) all movement of copies, in the whole pool."""

    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidate:
    """No copy of these may be served any more, anywhere; ``key`` None means the whole dependency."""

    dependency: str
    key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Drop a dead member from view and from the ring at once."""

    node: NodeName


class KeyVerb(Enum):
    """What may be asked about the keys of gossip. The key of a verb is raw bytes, none for LIST."""

    LIST = "list"
    INSTALL = "install"
    USE = "use"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswered:
    """What became of the ``KeyRequest`` of that number: ``error`` says why nothing, ``keys`` are all that we
    have (base64, first the one that seals) where the verb was LIST."""

    request: int
    error: str = ""
    keys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskKeys:
    """Ask these members, which are Serf's own agents: ``KeyReplies`` of that number, at the latest after
    ``timeout_s``."""

    request: int
    verb: KeyVerb
    key: bytes = field(repr=False)
    nodes: tuple[NodeName, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysChanged:
    """The world seals gossip with the first of these keys (fingerprints) and opens it with any."""

    fingerprints: tuple[str, ...]


Event: TypeAlias = (
    Tick
    | Read
    | PeerRead
    | FetchDone
    | AccessBatch
    | LocalHits
    | Timed
    | StoreLost
    | Offered
    | PacketReceived
    | StreamReceived
    | StreamAnswered
    | LoadSampled
    | ModelsFitted
    | Stop
    | Join
    | Drain
    | Undrain
    | Pause
    | Invalidate
    | Forget
    | KeysChanged
    | KeyAnswered
    | AskKeys
)
