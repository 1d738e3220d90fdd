"""One client's connection: bytes in, commands in order, answers in the same order.

No task per request and none per connection. A command that can be answered at once is, within the call that
brought its bytes; one that has to wait keeps a place among the answers, and what comes behind it may be
answered before but is written after. Answers are encoded when their turn comes, so one that waits for a slow
client holds the store's own bytes and no copy.

Two things make it stop reading: too many places kept, and a client that does not read what it asked for.
How long either may last, and when a silent connection goes, is the front's to watch (``overdue``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol, cast

from zoned.daemon.fronts import resp_replies as say
from zoned.daemon.fronts.resp_parser import CommandParser, ProtocolError
from zoned.daemon.fronts.resp_ready import GET, Ready, ReadyReplies
from zoned.daemon.fronts.resp_session import Counts, Session
from zoned.daemon.fronts.resp_uses import Uses

MAX_UNANSWERED = 128
MAX_AT_ONCE = 512
"""Pieces of one read that the hot lane looks at; of more, each is a command like any other."""
WRITE_BYTES = 256 << 10
"""Written at once; then the loop gets its turn, and we hear whether the client keeps up."""
WRITE_HIGH_BYTES = 1 << 20
FIRST_COMMAND_S = 30.0
WHOLE_COMMAND_S = 30.0
UNREAD_S = 30.0
IDLE_S = 3600.0
GOODBYE_S = 5.0


_NONE: dict[bytes, Ready] = {}


class Overdue(Enum):
    """Why a connection has to go."""

    SILENT = "closed_silent"
    IDLE = "closed_idle"
    UNREAD = "closed_unread"


class Front(Protocol):
    """What a connection needs of the front behind it."""

    counts: Counts
    ready: ReadyReplies
    uses: Uses
    timed: Callable[[float], None]
    """Told how long a local hit took."""
    now_s: Callable[[], float]
    """The mono clock."""

    def welcome(self, connection: RespConnection, transport: asyncio.Transport) -> Session | None:
        """A session for a new connection; None when there are too many."""

    def farewell(self, connection: RespConnection) -> None:
        """A connection ended."""

    def perform(self, connection: RespConnection, args: list[bytes]) -> bytes | None:
        """Do one command; its reply, or None when a place has been kept for it."""

    def encoded(self, encode: Callable[[], bytes] | None) -> bytes:
        """The reply that had to wait, now that its turn has come."""


class Place:
    """A place among the answers."""

    __slots__ = ("_connection", "encode")

    def __init__(self, connection: RespConnection) -> None:
        self._connection = connection
        self.encode: Callable[[], bytes] | None = None

    def fill(self, encode: Callable[[], bytes]) -> None:
        """The answer has come."""
        self.encode = encode
        self._connection.go_on()


class RespConnection(asyncio.Protocol):
    """See above. ``front`` performs commands and keeps the counts."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._now_s = front.now_s
        self._transport: asyncio.Transport
        self.session: Session
        self._parser: CommandParser
        self._places: deque[Place] = deque()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._open = False
        self._reading = True
        self._choked_s: float | None = None  # since when the client does not read
        self._going_on = False
        self._partial_s: float | None = None  # since when a command has begun and not ended
        self._ended = False  # the client has no more to say
        self._ready = _NONE  # the front's entries while the hot lane may serve, else none
        self.hits: list[Ready] = []
        """What the hot lane served since it was last told (``Uses``)."""

    # ---- the transport's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came; there may be too many already."""
        self._transport = cast(asyncio.Transport, transport)
        session = self._front.welcome(self, self._transport)
        if session is None:
            self._transport.write(say.error("ERR max number of clients reached"))
            self._transport.close()
            return
        self._open = True
        self.session = session
        self._parser = CommandParser(session.trusted)
        self._transport.set_write_buffer_limits(WRITE_HIGH_BYTES)
        self._choose_lane()

    def data_received(self, data: bytes) -> None:
        """Bytes came: plain GETs of what is ready are served here and now, all else is commands."""
        ready = self._ready
        if ready:
            pieces = data.split(GET, MAX_AT_ONCE)
            if not pieces[0]:
                data = self._serve(ready, pieces)
                if not data:
                    return
        if self._open and not self.session.closing:
            self._parser.feed(data)
            self._advance()

    def _serve(self, ready: dict[bytes, Ready], pieces: list[bytes]) -> bytes:
        """[hot] Serve from the first piece (after the empty one) on, as far as replies are ready; one write.
        The bytes that are left."""
        now_s = self._now_s()
        hits = self.hits
        first = not hits
        out = []
        left = b""
        for place in range(1, len(pieces)):
            entry = ready.get(pieces[place])
            if entry is None or now_s >= entry.until_s:
                left = GET + GET.join(pieces[place:])
                break
            hits.append(entry)
            out.append(entry.reply)
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
            if first:
                self._front.uses.lanes.append(self)
                self._front.timed((self._now_s() - now_s) / len(out))
        return left

    def _choose_lane(self) -> None:
        """The hot lane serves while nothing is under way that its replies could overtake."""
        free = self._open and self.session.trusted and not (self._places or self._out or self._going_on)
        free = free and not (self.session.closing or self._ended or self._parser.partial)
        self._ready = self._front.ready.entries if free and self._choked_s is None else _NONE

    def eof_received(self) -> bool:
        """The client has no more to say; it still gets the answers that are on their way."""
        self._ended = True
        self._ready = _NONE
        if self._open:
            self._close_or_read()
        return True  # we close when all is answered

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone; answers that come now have nowhere to go."""
        self._open = False
        self._ready = _NONE
        self._places.clear()
        self._out.clear()
        self._front.farewell(self)

    def pause_writing(self) -> None:
        """The client does not read."""
        self._ready = _NONE
        self._choked_s = self._now_s()

    def resume_writing(self) -> None:
        """It does again."""
        self._choked_s = None
        self.go_on()

    # ---- commands -----------------------------------------------------------------------------------

    def later(self) -> Place:
        """Keep the next place among the answers."""
        place = Place(self)
        self._places.append(place)
        return place

    def go_on(self) -> None:
        """Something that we waited for has come: look in this turn of the loop, once for all that came."""
        if not self._going_on and self._open:
            self._going_on = True
            self._ready = _NONE
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._going_on = False
        if self._open:
            self._advance()

    def _advance(self) -> None:
        """Write what is ready, perform what has come, as far as it goes now."""
        self._settle()
        session, parser = self.session, self._parser
        try:
            while not self._held() and not session.closing:
                args = parser.next()
                if args is None:
                    break
                self._say(self._front.perform(self, args))
                parser.trusted = session.trusted
        except ProtocolError as error:
            self._front.counts.protocol_errors += 1
            session.closing = True
            self._say(say.error(f"ERR Protocol error: {error}"))
        now_s = session.active_s = self._now_s()
        halting = parser.partial and not self._held()
        self._partial_s = (self._partial_s or now_s) if halting else None
        self._write()
        self._close_or_read()
        self._choose_lane()

    def _held(self) -> bool:
        """Whether no further command may be begun now."""
        return (
            self._choked_s is not None
            or len(self._places) >= MAX_UNANSWERED
            or self._out_bytes >= WRITE_BYTES
        )

    def _say(self, reply: bytes | None) -> None:
        """An answer, or None when a place has been kept for it."""
        if reply is None:
            return
        if self._places:
            self.later().encode = lambda: reply
            return
        self._out.append(reply)
        self._out_bytes += len(reply)

    def _settle(self) -> None:
        """Move answers that have come, and whose turn it is, to what is written."""
        places = self._places
        while places and places[0].encode is not None:
            if self._choked_s is not None or self._out_bytes >= WRITE_BYTES:
                return
            reply = self._front.encoded(places.popleft().encode)
            self._out.append(reply)
            self._out_bytes += len(reply)

    def _write(self) -> None:
        if not self._out:
            return
        more = self._out_bytes >= WRITE_BYTES
        self._transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0
        if more:
            self.go_on()

    def _close_or_read(self) -> None:
        busy = self._held() or self._going_on
        if (self.session.closing or (self._ended and not busy)) and not self._places:
            self._transport.close()
            return
        reading = not busy and not self.session.closing and not self._ended
        if reading != self._reading:
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # ---- the front's side ---------------------------------------------------------------------------

    def close(self, at_once: bool = False) -> None:
        """Close when what has been written is out, or at once."""
        self._ready = _NONE
        self.session.closing = True
        if at_once:
            self._transport.abort()
        else:
            self._transport.close()

    def overdue(self, now_s: float) -> Overdue | None:
        """Why this connection has to go, if it has to."""
        session = self.session
        if self._choked_s is not None and now_s - self._choked_s > UNREAD_S:
            return Overdue.UNREAD
        if self._transport.is_closing() and now_s - session.active_s > GOODBYE_S:
            return Overdue.UNREAD
        if session.last == "NULL" and now_s - session.born_s > FIRST_COMMAND_S:
            return Overdue.SILENT
        if self._partial_s is not None and now_s - self._partial_s > WHOLE_COMMAND_S:
            return Overdue.SILENT
        idle = not self._places and now_s - session.active_s > IDLE_S
        return Overdue.IDLE if idle else None
