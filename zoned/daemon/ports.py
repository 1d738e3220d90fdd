"""What the driver needs of the things around it, as narrow protocols, and the replies that it gives.

The driver knows no socket and no library: tests put fakes here, ``run.py`` the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from zoned.core.actions import (
    Action,
    FetchPeer,
    KeyReplies,
    KeyRequest,
    Offer,
    SendPacket,
    StreamCall,
    StreamReply,
)
from zoned.core.events import Event, FetchOutcome
from zoned.core.names import Instant, NodeName
from zoned.core.records import FitJob, FitResult, Source
from zoned.core.snapshot import Snapshot
from zoned.daemon.copies import Copy, Fetched


class NodePort(Protocol):
    """The core, as the daemon uses it (``zoned.core.node.Node``)."""

    def handle(self, event: Event, now: Instant) -> list[Action]:
        """Take one event; return what is to be done, in order."""

    def next_deadline(self) -> float | None:
        """When the next Tick is due, on the mono clock."""

    def snapshot(self, now: Instant) -> Snapshot:
        """A frozen view."""

    def export_state(self) -> dict[str, Any]:
        """What should survive a restart."""


class GossipPort(Protocol):
    """Gossip's sockets."""

    def perform(self, action: SendPacket | StreamCall | StreamReply) -> None:
        """Send, without waiting; what comes back is an event."""


class OriginPort(Protocol):
    """Where the instances of one dependency come from."""

    async def fetch(self, key: bytes, timeout_s: float, version: str, prefetch: bool) -> Fetched:
        """Get one; with a ``version``, only if it changed. ``prefetch``: reads go first. Never raises."""


class PeersPort(Protocol):
    """The other agents."""

    async def fetch(self, order: FetchPeer) -> Fetched:
        """Get one copy. Never raises."""

    async def offer(self, order: Offer) -> bool:
        """Tell of copies. Never raises."""


class KeysPort(Protocol):
    """The keys of gossip, where Serf's agents are in the pool."""

    def requested(self, action: KeyRequest) -> None:
        """Do it, then submit ``KeyAnswered``."""

    def replied(self, action: KeyReplies) -> None:
        """What Serf's agents answered to an ``AskKeys``."""


class WorkerPort(Protocol):
    """The worker process that fits models."""

    async def fit(self, job: FitJob) -> FitResult | None:
        """Fit; None when it failed or took too long."""


@dataclass(slots=True, kw_only=True)
class ReadReply:
    """The answer to a client's read; ``copy`` is set exactly when ``outcome`` is OK."""

    outcome: FetchOutcome
    copy: Copy | None = None
    source: Source = Source.LOCAL
    node: NodeName = ""
    stale: bool = False
    expires_s: float = 0.0
    """Until when the copy in the store is fresh (mono seconds); infinity: for ever; 0: none is kept."""
    again: bool = False
    """Until then the same bytes may be served again without asking, if the node is told (``LocalHits``)."""
    detail: str = ""


@dataclass(slots=True, kw_only=True)
class PeerReply:
    """The answer to another agent's read; ``copy`` is set exactly when ``outcome`` is OK."""

    outcome: FetchOutcome
    copy: Copy | None = None
    ttl_s: float | None = None
    ring_id: str = ""
    detail: str = ""
