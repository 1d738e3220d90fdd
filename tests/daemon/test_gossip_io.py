"""Gossip's sockets on loopback: datagrams, streams both ways, deadlines, limits, rude peers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from zoned.core.actions import SendPacket, StreamCall, StreamReply
from zoned.core.events import Event, PacketReceived, StreamAnswered, StreamReceived
from zoned.core.gossip.messages import Ack, ErrorReply, Ping, User
from zoned.core.gossip.stream import LIMIT_BYTES, compressed_stream, decode_stream, encode_stream
from zoned.daemon import gossip_io
from zoned.daemon.gossip_io import GossipIO
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring

PING = encode_stream(Ping(7, "n", None, ""))


class Port:
    """A gossip port that keeps its events; ``answer`` makes the replies to streams."""

    def __init__(self, answer: Callable[[bytes], bytes | None], timeout_s: float) -> None:
        self.events: list[Event] = []
        self.came = asyncio.Event()
        self.answer = answer
        self.io = GossipIO(self.deliver, timeout_s=timeout_s)

    def deliver(self, event: Event) -> None:
        self.events.append(event)
        self.came.set()
        if isinstance(event, StreamReceived):
            data = self.answer(event.data)
            if data is not None:
                self.io.perform(StreamReply(stream=event.stream, data=data))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self.came.clear()
                await self.came.wait()

    async def ask(self, to: Port, data: bytes, timeout_s: float = 5.0) -> bytes | None:
        call = len(self.events) + 1000
        self.io.perform(StreamCall(call=call, address=to.io.address, data=data, timeout_s=timeout_s))

        def answers() -> list[StreamAnswered]:
            return [each for each in self.events if isinstance(each, StreamAnswered) and each.call == call]

        await self.until(lambda: bool(answers()))
        return answers()[0].data


def ack(data: bytes) -> bytes | None:
    message = decode_stream(data)
    return encode_stream(Ack(message.seq, b"")) if isinstance(message, Ping) else b""


@asynccontextmanager
async def port(answer: Callable[[bytes], bytes | None] = ack, timeout_s: float = 5.0) -> AsyncIterator[Port]:
    one = Port(answer, timeout_s)
    await one.io.start(("127.0.0.1", 0))
    try:
        yield one
    finally:
        await one.io.close()


@pytest.mark.asyncio
async def test_datagrams_arrive_with_their_sender() -> None:
    async with port() as one, port() as two:
        for number in range(200):
            one.io.perform(SendPacket(address=two.io.address, data=b"\x08" + bytes((number,)) * 1399))
        await two.until(lambda: len(two.events) == 200)
        first = two.events[0]
        assert isinstance(first, PacketReceived)
        assert first.sender == one.io.address and first.data == b"\x08" + bytes(1399)


@pytest.mark.asyncio
async def test_udp_and_tcp_share_a_port_and_a_taken_one_is_refused() -> None:
    async with port() as one, port() as two:
        assert await two.ask(one, PING) == encode_stream(Ack(7, b""))
        with pytest.raises(OSError):
            await GossipIO(one.deliver).start(one.io.address)


@pytest.mark.asyncio
async def test_large_messages_go_both_ways() -> None:
    large = encode_stream(User(b"x" * 3_000_000))
    async with port(lambda data: data) as one, port() as two:
        assert await two.ask(one, large) == large


@pytest.mark.asyncio
async def test_no_answer_wanted_none_given() -> None:
    data = encode_stream(User(b"y" * 100_000))
    async with port() as one, port() as two:
        two.io.perform(
            StreamCall(call=1, address=one.io.address, data=data, timeout_s=5.0, expects_answer=False)
        )
        await one.until(lambda: bool(one.events))
        assert isinstance(one.events[0], StreamReceived) and one.events[0].data == data
        assert two.events == []


@pytest.mark.asyncio
async def test_calls_that_fail_are_answered_by_none() -> None:
    async with port(lambda data: b"") as silent, port(lambda data: None, 0.2) as stuck, port() as one:
        assert await one.ask(silent, PING) is None
        assert await one.ask(stuck, PING, timeout_s=0.1) is None
        assert one.io.counters["calls_late"] == 1
        async with port(lambda data: b"\x63?") as odd:
            assert await one.ask(odd, PING) is None
        assert one.io.counters["rejected_unknown_type"] == 1
        assert [each.refused for each in one.events if isinstance(each, StreamAnswered)] == [False] * 3
        assert await one.ask(odd, PING) is None  # nobody listens there any more
        assert one.io.counters["calls_refused"] == 1
        assert isinstance(one.events[-1], StreamAnswered) and one.events[-1].refused
        assert await one.io.ask(odd.io.address, PING, 1.0) is None


@pytest.mark.asyncio
async def test_rude_callers_are_counted_and_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gossip_io, "MAX_STREAMS", 2)
    async with port(timeout_s=0.3) as one:

        async def call(data: bytes, hang_up: bool = False) -> bytes:
            reader, writer = await asyncio.open_connection(*one.io.address)
            writer.write(data)
            if hang_up:
                writer.write_eof()
            try:
                return await reader.read()
            finally:
                writer.close()

        assert await call(b"\x0c????") == b""  # no stream message
        assert await call(PING[:3], hang_up=True) == b""  # cut
        slow = [await asyncio.open_connection(*one.io.address) for _ in range(2)]
        try:
            assert await call(PING) == b""  # one too many
        except ConnectionResetError:
            pass
        for reader, writer in slow:
            assert await reader.read() == b""  # they said nothing for too long
            writer.close()
        reasons = ("rejected_unknown_type", "streams_empty", "streams_refused", "streams_late")
        assert [one.io.counters[reason] for reason in reasons] == [1, 1, 1, 2]
        assert decode_stream(await call(PING)) == Ack(7, b"")


@pytest.mark.asyncio
async def test_closing_drops_what_is_under_way() -> None:
    async with port(lambda data: None) as stuck, port() as one:
        one.io.perform(StreamCall(call=1, address=stuck.io.address, data=PING, timeout_s=5.0))
        await stuck.until(lambda: bool(stuck.events))
        await one.io.close()
        await stuck.io.close()
        one.io.perform(SendPacket(address=stuck.io.address, data=b"late"))
        assert one.events == [] and not one.io._tasks


@pytest.mark.asyncio
async def test_packets_that_cannot_be_sent_are_counted() -> None:
    async with port() as one:
        one.io.perform(SendPacket(address=("127.0.0.1", 9), data=bytes(70_000)))
        one.io.perform(SendPacket(address=("::1", 9), data=b"x"))
        assert one.io.counters["packets_refused"] == 2


@pytest.mark.asyncio
async def test_a_bug_in_the_agent_surfaces() -> None:
    def explode(data: bytes) -> bytes:
        raise ZeroDivisionError

    one = Port(explode, 5.0)
    await one.io.start(("127.0.0.1", 0))
    async with port() as two:
        assert await two.ask(one, PING) is None
    with pytest.raises(ZeroDivisionError):
        await one.io.close()


@pytest.mark.asyncio
async def test_large_compressed_streams_are_unpacked_before_the_core_sees_them() -> None:
    large = encode_stream(User(random.Random(3).randbytes(60_000)))
    small = encode_stream(User(b"x" * 60_000))
    async with port(lambda data: compressed_stream(data)) as one, port() as two:
        assert await two.ask(one, compressed_stream(large)) == large  # both ways
        assert await two.ask(one, compressed_stream(small)) == compressed_stream(compressed_stream(small))
        assert [each.data for each in one.events if isinstance(each, StreamReceived)] == [
            large,
            compressed_stream(small),
        ]
        assert one.io.counters["streams_inflated_apart"] == two.io.counters["streams_inflated_apart"] == 1
        bomb = compressed_stream(b"\x08" + bytes(LIMIT_BYTES + 1) + random.Random(3).randbytes(40_000))
        assert await two.ask(one, bomb) is None
        assert one.io.counters["rejected_lzw_limit"] == 1


@pytest.mark.asyncio
async def test_all_streams_together_hold_so_much_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encode_stream(User(bytes(150_000)))
    monkeypatch.setattr(gossip_io, "MAX_HELD_BYTES", len(whole) + 1000)
    async with port(lambda data: b"") as one:
        reader, writer = await asyncio.open_connection(*one.io.address)
        writer.write(whole[:-1])
        await writer.drain()
        for _ in range(1000):  # until it is all there
            if one.io._budget.used == len(whole) - 1:
                break
            await asyncio.sleep(0.005)
        late_reader, late_writer = await asyncio.open_connection(*one.io.address)
        late_writer.write(whole)
        with suppress(OSError):
            assert await late_reader.read() == b""
        late_writer.close()
        assert one.io.counters["rejected_stream_memory"] == 1 and one.events == []
        writer.write(whole[-1:])
        assert await reader.read() == b""
        writer.close()
        assert isinstance(one.events[0], StreamReceived) and one.events[0].data == whole
        assert one.io._budget.used == 0


@pytest.mark.asyncio
async def test_who_has_the_wrong_key_is_told_so_under_ours() -> None:
    ours, theirs = Seal(Keyring((b"a" * 16,))), Seal(Keyring((b"b" * 16,)))
    one = GossipIO(lambda event: None, seal=ours)
    await one.start(("127.0.0.1", 0))
    try:
        for data, why in ((theirs.stream(PING), "not in our keyring"), (PING, "not encrypted")):
            reader, writer = await asyncio.open_connection(*one.address)
            writer.write(data)
            answer = ours.reader(LIMIT_BYTES, answer=True).feed(await reader.read())
            writer.close()
            assert answer is not None
            told = decode_stream(answer)
            assert isinstance(told, ErrorReply) and why in told.text
    finally:
        await one.close()
