"""Gossip's sockets: UDP and TCP on one port. Bytes in become events, actions become bytes out.

Nothing is decided here. Datagrams are opened (``gossip_seal``) and passed on; a TCP connection carries one
message, whose end the core's scanner finds (memberlist's streams have no length), then our answer, then it
closes. What cannot be opened is counted and told by ``refusals``; a caller on a stream is told why. Every
wait has a deadline, every message a size limit, so many connections are open at a time and no more, and all
of them together hold so much memory and no more (``stream_budget``); what is over is closed and counted.
Large compressed streams are unpacked in a thread, a few at a time: on the event loop that would hold up
probes, and others would take us for dead.

Tasks: one per connection, made through ``spawn`` (the agent's supervisor: a task that dies of a bug ends the
process). What the network does wrong is caught and counted here, so only our own mistakes get that far.

UDP goes through a plain non-blocking socket and ``add_reader`` rather than a datagram endpoint: one wake-up
drains many packets (for 20 ms at most, then others have their turn), a full send buffer drops and counts
(gossip repairs itself), and there is no queue that could grow.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from zoned.core.actions import SendPacket, StreamCall, StreamReply
from zoned.core.errors import PeerError
from zoned.core.events import Event, PacketReceived, StreamAnswered, StreamReceived
from zoned.core.gossip.messages import ErrorReply, Kind
from zoned.core.gossip.stream import INFLATE_APART_BYTES, LIMIT_BYTES, encode_stream, inflated
from zoned.core.names import Address
from zoned.daemon.gossip_seal import REASONS, Seal, StreamReader
from zoned.daemon.keyring import Keyring
from zoned.daemon.refusals import Refusals
from zoned.daemon.stream_budget import Held, StreamBudget

MAX_STREAMS = 128
MAX_HELD_BYTES = 48 << 20
"""By all streams together."""
MAX_INFLATING = 2
_PUSH_PULLS = (Kind.PUSH_PULL, Kind.COMPRESSED)  # of what we call with, nothing else is compressed
STREAM_TIMEOUT_S = 10.0
_MAX_PACKET = 65536
_RECEIVE_BUFFER = 2 << 20
_PACKETS_PER_WAKE = 64
_WAKE_S = 0.02
_CHUNK = 65536

Deliver = Callable[[Event], None]
Spawn = Callable[[Coroutine[Any, Any, None], str], object]
Private = Callable[[bytes, bool], Awaitable[bytes | None]]
"""Takes a stream's message, and whether it came sealed; its answer, or None if it is one for the core."""


class GossipIO:
    """The gossip port of one agent.

    ``deliver`` is called on the event loop with PacketReceived, StreamReceived and StreamAnswered. ``spawn``
    runs a task under supervision; without it tasks are our own and their bugs surface in ``close``.
    ``seal``: None sends and takes everything in the clear.
    """

    def __init__(
        self,
        deliver: Deliver,
        spawn: Spawn | None = None,
        timeout_s: float = STREAM_TIMEOUT_S,
        seal: Seal | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._deliver = deliver
        self._seal = seal or Seal(Keyring())
        self.refusals = refusals or Refusals(lambda level, event, text: None)
        self._spawn = spawn or self._own_task
        self._timeout_s = timeout_s
        self.private: Private | None = None
        """Messages between daemons, which the core does not see."""
        self._udp: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._numbered = 0
        self._inbound = 0
        self._budget = StreamBudget(MAX_HELD_BYTES)
        self._inflating = asyncio.Semaphore(MAX_INFLATING)
        self._closed = False
        self.address: Address = ("", 0)
        """Where we listen, once started (the port is known even if 0 was asked for)."""
        self.counters: dict[str, float] = {}

    # ---- life -----------------------------------------------------------------------------------

    async def start(self, bind: Address) -> None:
        """Bind UDP and TCP to the same port; OSError when it is taken."""
        host, port = bind
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._server = await asyncio.start_server(self._accepted, host, port, family=family)
        port = self._server.sockets[0].getsockname()[1]
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            udp.bind((host, port))
        except OSError:
            udp.close()
            self._server.close()
            raise
        self._udp = udp
        self.address = (host, port)
        asyncio.get_running_loop().add_reader(udp.fileno(), self._readable)

    async def close(self) -> None:
        """Give the port up; calls under way are dropped without an answer."""
        self._closed = True
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for future in self._replies.values():
            future.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def perform(self, action: SendPacket | StreamCall | StreamReply) -> None:
        """Do what the core wants done; returns at once."""
        if isinstance(action, SendPacket):
            self._send(action)
        elif isinstance(action, StreamCall):
            self._spawn(self._call(action), f"gossip call {action.call}")
        else:
            future = self._replies.get(action.stream)
            if future is not None and not future.done():
                future.set_result(action.data)

    # ---- UDP ------------------------------------------------------------------------------------

    def _send(self, action: SendPacket) -> None:
        if self._udp is None:
            return
        data = self._seal.packet(action.data)
        try:
            self._count("bytes_out", self._udp.sendto(data, action.address))
        except BlockingIOError:
            self._count("packets_unsent")
        except OSError:
            self._count("packets_refused")  # no route, too large, an address of the other family

    def _readable(self) -> None:
        until_s = time.monotonic() + _WAKE_S
        for _ in range(_PACKETS_PER_WAKE):
            if self._udp is None or time.monotonic() > until_s:
                return
            try:
                data, sender = self._udp.recvfrom(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError:
                self._count("packets_failed")  # an ICMP error about one that we sent
                continue
            self._count("bytes_in", len(data))
            try:
                plain = self._seal.open_packet(data)
            except PeerError as error:
                self.refusals.refused(error.reason, sender[:2])
                continue
            self._deliver(PacketReceived(data=plain, sender=sender[:2], private=self._seal.private))

    # ---- TCP, theirs ----------------------------------------------------------------------------

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._inbound >= MAX_STREAMS or self._closed:
            self._count("streams_refused")
            writer.transport.abort()
            return
        self._inbound += 1
        self._numbered += 1
        self._spawn(self._serve(self._numbered, reader, writer), f"gossip stream {self._numbered}")

    async def _serve(self, stream: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._replies[stream] = asyncio.get_running_loop().create_future()
        sender = writer.get_extra_info("peername") or ("", 0)
        try:
            with self._budget.hold() as held:
                async with asyncio.timeout(self._timeout_s):
                    await self._conversation(stream, reader, writer, held)
        except PeerError as error:
            self._refused(error.reason, sender[:2])
            if error.reason in REASONS:
                refusal = encode_stream(ErrorReply(self.refusals.text(error.reason)))
                writer.write(self._seal.stream(refusal, answer=True))
        except TimeoutError:
            self._count("streams_late")
        except OSError:
            self._count("streams_broken")
        finally:
            self._inbound -= 1
            del self._replies[stream]
            await _hang_up(writer)

    async def _conversation(
        self, stream: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: Held
    ) -> None:
        taking = self._seal.reader(LIMIT_BYTES)
        data = await self._whole(reader, taking, held)
        if data is None:
            self._count("streams_empty")
            return
        answer = None if self.private is None else await self.private(data, taking.sealed)
        if answer is None:
            sender = writer.get_extra_info("peername") or ("", 0)
            self._deliver(StreamReceived(stream=stream, data=data, sender=sender[:2]))
            answer = await self._replies[stream]
        held.add(len(answer))
        await self._write(writer, self._seal.stream(answer, answer=True))

    # ---- TCP, ours ------------------------------------------------------------------------------

    async def _call(self, action: StreamCall) -> None:
        began_s = time.monotonic()
        answer, refused = None, False
        try:
            answer = await self._ask(action.address, action.data, action.timeout_s, action.expects_answer)
        except ConnectionRefusedError:
            refused = True
        if answer is not None and action.data[0] in _PUSH_PULLS:
            self._count("push_pulls")
            self._count("push_pull_seconds", time.monotonic() - began_s)
            self._count("push_pull_bytes_out", len(action.data))
            self._count("push_pull_bytes_in", len(answer))
        if action.expects_answer and not self._closed:
            self._deliver(StreamAnswered(call=action.call, data=answer, refused=refused))

    async def ask(
        self, to: Address, data: bytes, timeout_s: float, expects_answer: bool = True
    ) -> bytes | None:
        """One message to that address on a stream of its own; the answer, None if there was none in time."""
        with suppress(ConnectionRefusedError):
            return await self._ask(to, data, timeout_s, expects_answer)
        return None

    async def _ask(self, to: Address, data: bytes, timeout_s: float, expects_answer: bool) -> bytes | None:
        """The same; ConnectionRefusedError, counted, if nobody listens there."""
        writer: asyncio.StreamWriter | None = None
        try:
            with self._budget.hold() as held:
                held.add(len(data))
                async with asyncio.timeout(timeout_s):
                    reader, writer = await asyncio.open_connection(*to)
                    await self._write(writer, self._seal.stream(data))
                    if expects_answer:
                        return await self._whole(reader, self._seal.reader(LIMIT_BYTES, answer=True), held)
                    await reader.read(1)  # it closes once it has read all; hanging up first could cut it off
        except PeerError as error:
            self._refused(error.reason, to)
        except TimeoutError:
            self._count("calls_late")
        except ConnectionRefusedError:
            self._count("calls_refused")
            raise
        except OSError:
            self._count("calls_broken")
        finally:
            if writer is not None:
                await _hang_up(writer)
        return None

    async def _whole(self, reader: asyncio.StreamReader, taking: StreamReader, held: Held) -> bytes | None:
        """One whole message, unpacked if that takes long; None when the other side hung up before."""
        whole: bytes | None = None
        while whole is None:
            chunk = await reader.read(_CHUNK)
            if not chunk:
                return None
            held.add(len(chunk))
            self._count("bytes_in", len(chunk))
            whole = taking.feed(chunk)
        if whole[0] != Kind.COMPRESSED or len(whole) <= INFLATE_APART_BYTES:
            return whole
        held.add(LIMIT_BYTES)
        async with self._inflating:
            self._count("streams_inflated_apart")
            return await asyncio.to_thread(inflated, whole)

    def _refused(self, reason: str, sender: Address) -> None:
        if reason in REASONS:
            self.refusals.refused(reason, sender)
        else:
            self._count("rejected_" + reason)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self._count("bytes_out", len(data))
        writer.write(data)
        await writer.drain()

    def _count(self, what: str, by: float = 1) -> None:
        self.counters[what] = self.counters.get(what, 0) + by

    def _own_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done) if not _died(done) else None)


def _died(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()
