"""The commands on instances: read through the agent, or invalidate.

``dep:key``: the first colon splits. A key that the origin has not (404) is null, as any key that Redis has
not; a dependency that is not configured, and an origin that fails, are errors: answering null for these
would tell the application that there is no such thing, and it would believe it. One key of ``MGET`` that
cannot be had makes the whole an error, because few programs look for errors among values.

``EXISTS``, ``STRLEN`` and ``TTL`` read through as ``GET`` does, so that all agree on what there is. ``TTL``
is what is left of the freshness of the copy here: -1 it does not expire, -2 there is no such thing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf
from typing import Any, Protocol

from zoned.core.events import FetchOutcome, Invalidate
from zoned.core.names import MAX_KEY_BYTES, Dependency, InstanceKey
from zoned.core.records import Source
from zoned.daemon.clock import Clock
from zoned.daemon.driver import Driver
from zoned.daemon.fronts import resp_replies as say
from zoned.daemon.fronts.resp_ready import ReadyReplies
from zoned.daemon.fronts.resp_session import Counts, Session
from zoned.daemon.ports import ReadReply

MAX_ANSWER_BYTES = 64 << 20

_FAILED = {
    FetchOutcome.TIMEOUT: "took too long",
    FetchOutcome.TOO_LARGE: "answered with more than max_object",
}


class Answer(Protocol):
    """A place among the answers of a connection that is filled later."""

    def fill(self, encode: Callable[[], bytes]) -> None:
        """The answer has come; ``encode`` is called when its turn comes to be written."""


class Asker(Protocol):
    """The connection that a command came by."""

    session: Session

    def later(self) -> Answer:
        """Keep the next place among the answers."""


class Refused(Exception):
    """The command cannot be done; the text is the error for the client."""


class InstanceCommands:
    """Performs them. A command returns its reply, or None when it has kept a place for it."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        dependencies: Collection[Dependency],
        counts: Counts,
        ready: ReadyReplies,
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._names = {name.encode(): name for name in dependencies}
        self._counts = counts
        self._ready = ready
        self.handlers: dict[str, Callable[[Asker, list[bytes]], bytes | None]] = {
            "get": self.get,
            "mget": lambda asker, args: self._all(asker, args[1:], _values),
            "exists": lambda asker, args: self._all(asker, args[1:], _existing),
            "strlen": lambda asker, args: self._all(asker, args[1:], _length),
            "ttl": lambda asker, args: self._all(asker, args[1:], self._left),
            "del": self.invalidate,
            "unlink": self.invalidate,
        }

    # ---- reads --------------------------------------------------------------------------------------

    def get(self, asker: Asker, args: list[bytes]) -> bytes | None:
        """Read one instance."""
        key, proto = self.key(args[1]), asker.session.proto
        places: list[Answer] = []

        def answered(reply: ReadReply) -> None:
            places[0].fill(lambda: self._value(key, reply, proto))

        reply = self._driver.ask(key, asker.session.client, answered)
        if reply is not None:
            if reply.again and reply.copy is not None:
                self._ready.keep(key, reply.copy, reply.expires_s)
            return self._value(key, reply, proto)
        places.append(asker.later())
        return None

    def _value(self, key: InstanceKey, reply: ReadReply, proto: int) -> bytes:
        self._count(reply)
        if reply.copy is not None:
            return say.bulk(reply.copy.body)
        return say.null(proto) if _absent(key, reply) else b""

    def _all(
        self, asker: Asker, names: list[bytes], encode: Callable[[list[ReadReply | None], int], bytes]
    ) -> bytes | None:
        """Read several instances at once; ``encode`` gets the replies, None for what does not exist."""
        keys, proto = [self.key(name) for name in names], asker.session.proto
        replies: list[Any] = [None] * len(keys)
        places: list[Answer] = []
        missing = 0

        def encoded() -> bytes:
            for reply in replies:
                self._count(reply)
            there = [None if _absent(key, reply) else reply for key, reply in zip(keys, replies, strict=True)]
            return encode(there, proto)

        def answered(index: int, reply: ReadReply) -> None:
            nonlocal missing
            replies[index] = reply
            missing -= 1
            if not missing:
                places[0].fill(encoded)

        for index, key in enumerate(keys):
            reply = self._driver.ask(key, asker.session.client, lambda r, i=index: answered(i, r))  # type: ignore[misc]
            if reply is None:
                missing += 1
            else:
                replies[index] = reply
        if not missing:
            return encoded()
        places.append(asker.later())
        return None

    def _left(self, replies: list[ReadReply | None], proto: int) -> bytes:
        reply = replies[0]
        if reply is None:
            return say.integer(-2)
        if reply.expires_s == inf:
            return say.integer(-1)
        return say.integer(max(0, round(reply.expires_s - self._clock.now().mono_s)))

    def _count(self, reply: ReadReply) -> None:
        if reply.copy is not None and reply.source is Source.LOCAL:
            self._counts.hits += 1
        else:
            self._counts.misses += 1

    # ---- invalidation -------------------------------------------------------------------------------

    def invalidate(self, asker: Asker, args: list[bytes]) -> bytes:
        """No zone may serve these any more; how many different ones that were."""
        keys = dict.fromkeys([self.key(name) for name in args[1:]])
        for key in keys:
            self._driver.submit(Invalidate(dependency=key.dependency, key=key.key))
        return say.integer(len(keys))

    # ---- names --------------------------------------------------------------------------------------

    def key(self, name: bytes) -> InstanceKey:
        """``b"shop:a"`` -> the instance. Raises Refused."""
        prefix, colon, key = name.partition(b":")
        dependency = self._names.get(prefix)
        if dependency is not None and key and len(key) <= MAX_KEY_BYTES:
            return InstanceKey(dependency, key)
        shown = prefix[:64].decode("utf-8", "backslashreplace")
        if not colon or not key:
            raise Refused(f"ERR zoned: expected a key dependency:key, got '{shown}'")
        if dependency is None:
            raise Refused(f"ERR zoned: unknown dependency '{shown}'")
        raise Refused(f"ERR zoned: a key has at most {MAX_KEY_BYTES} bytes")


def _absent(key: InstanceKey, reply: ReadReply) -> bool:
    """Whether the origin says that there is no such thing. Raises Refused when that is not known."""
    if reply.copy is not None:
        return False
    if reply.outcome is FetchOutcome.NOT_FOUND:
        return True
    why = _FAILED.get(reply.outcome, "failed")
    detail = f": {reply.detail}" if reply.detail else ""
    raise Refused(f"ERR zoned: origin of '{key.dependency}' {why}{detail}")


def _values(replies: list[ReadReply | None], proto: int) -> bytes:
    bodies = [None if one is None or one.copy is None else one.copy.body for one in replies]
    if sum(len(body) for body in bodies if body is not None) > MAX_ANSWER_BYTES:
        raise Refused(f"ERR zoned: an answer has at most {MAX_ANSWER_BYTES} bytes; ask for fewer keys")
    return say.array([say.null(proto) if body is None else say.bulk(body) for body in bodies])


def _existing(replies: list[ReadReply | None], proto: int) -> bytes:
    return say.integer(sum(reply is not None for reply in replies))


def _length(replies: list[ReadReply | None], proto: int) -> bytes:
    reply = replies[0]
    return say.integer(0 if reply is None or reply.copy is None else len(reply.copy.body))
