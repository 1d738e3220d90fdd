"""Arrows out: what a node wants done. A world does them in order; none of them waits for another.

The world holds the bytes of a fetch from its ``FetchDone`` until the actions of that same step are
done; ``Keep``, ``ServeFetched`` and ``AnswerPeer`` with a ``fetch`` refer to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from zoned.core.events import FetchOutcome, KeyVerb, Purpose
from zoned.core.names import Address, InstanceKey, NodeName
from zoned.core.records import FitJob, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPacket:
    """Send one gossip datagram."""

    address: Address
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCall:
    """Open a gossip stream, send ``data``, read one whole message back: ``StreamAnswered``."""

    call: int
    address: Address
    data: bytes
    timeout_s: float
    expects_answer: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReply:
    """Answer on the stream of that number (empty data: nothing), then close it."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """Answer the client's read from our own store; ``stale`` when past its time to live.

    Until ``expires_s`` (mono; infinity: for ever) the world may serve the same bytes again without asking,
    if it tells us so afterwards (``LocalHits``) and unless ``armed``: then what follows the access must be
    fetched at once, so each must come here."""

    request: int
    key: InstanceKey
    stale: bool = False
    expires_s: float = 0.0
    armed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeFetched:
    """Answer the client's read with what that fetch brought; ``node`` is the peer it came from, if one.
    ``expires_s``: until when the copy is fresh (mono; infinity: for ever); 0: none is kept here."""

    request: int
    fetch: int
    source: Source
    node: NodeName = ""
    expires_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """The client's read cannot be answered: nothing to serve, and why."""

    request: int
    outcome: FetchOutcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPeer:
    """Ask another agent for an instance: ``FetchDone`` of the same number."""

    fetch: int
    key: InstanceKey
    node: NodeName
    address: Address
    purpose: Purpose
    ring_id: str
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchOrigin:
    """Ask the dependency's origin: ``FetchDone`` of the same number. ``prefetch``: nobody waits for it, so
    the world may let reads go first, and tells the origin (``Sec-Purpose``)."""

    fetch: int
    key: InstanceKey
    timeout_s: float
    prefetch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Put what that fetch brought into the store. ``ttl_s``: for stores that expire by themselves."""

    key: InstanceKey
    fetch: int
    ttl_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discard:
    """Delete these from the store."""

    keys: tuple[InstanceKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAgain:
    """Ask at each read of these, whatever ``Serve`` said: an access to them now calls for prefetches."""

    keys: tuple[InstanceKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPeer:
    """Answer a peer's read: from the store, from a fetch (``fetch`` set), or not at all (``outcome`` not OK).

    ``ttl_s`` is what is left of the copy's freshness, None for one that does not expire. ``detail`` is
    ``origin`` when we had to go to the origin for the asker, else words for the log."""

    request: int
    key: InstanceKey
    outcome: FetchOutcome
    ring_id: str
    fetch: int | None = None
    version: str = ""
    ttl_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Tell another agent which of our copies it had better fetch from us: ``Offered`` over there.
    ``going``: we give them up."""

    node: NodeName
    address: Address
    keys: tuple[InstanceKey, ...]
    sizes: tuple[int, ...]
    going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Fit models in the worker: ``ModelsFitted`` of the same number."""

    job: FitJob


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A member asks for this by Serf's key queries: do it to our keyring, then ``KeyAnswered``."""

    request: int
    verb: KeyVerb
    key: bytes = field(repr=False)
    asker: NodeName


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReply:
    """What one of Serf's agents said: why it did not do it ("": it did), and its keys if it was asked for
    them (base64, first the one that seals)."""

    node: NodeName
    error: str
    keys: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReplies:
    """The answers to an ``AskKeys``; who is missing did not answer in time."""

    request: int
    replies: tuple[KeyReply, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A line for the log. ``event`` is a stable name (``member_up``), ``text`` the line in words."""

    level: str  # debug | info | warning | error
    event: str
    text: str
    fields: tuple[tuple[str, str | int | float], ...] = ()


Action: TypeAlias = (
    SendPacket
    | StreamCall
    | StreamReply
    | Serve
    | ServeFetched
    | Refuse
    | FetchPeer
    | FetchOrigin
    | Keep
    | Discard
    | AskAgain
    | AnswerPeer
    | Offer
    | Fit
    | KeyRequest
    | KeyReplies
    | Note
)
