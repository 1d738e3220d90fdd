"""Requests that the node has not answered yet, by number, each with a deadline.

A local hit is answered within the step that asks, so it never makes a future: ``Waiting.reply`` is there when
``submit`` returns, and nothing is awaited (house.md, section 4). Only what has to wait pays for waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from zoned.core.names import InstanceKey

R = TypeVar("R")


class Waiting(Generic[R]):
    """One request; ``client`` is kept so that it can be asked again."""

    __slots__ = ("client", "future", "key", "reply", "then", "timer")

    def __init__(self, key: InstanceKey, client: bytes) -> None:
        self.key = key
        self.client = client
        self.reply: R | None = None
        self.future: asyncio.Future[None] | None = None
        self.then: Callable[[R], None] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Pending(Generic[R]):
    """The open requests of one kind."""

    def __init__(self, limit: int, timeout_s: float) -> None:
        """``limit``: open at once; ``timeout_s``: how long one may wait."""
        self._open: dict[int, Waiting[R]] = {}
        self._limit = limit
        self._timeout_s = timeout_s
        self.refused = 0
        self.timed_out = 0
        self.late = 0
        """Answers to requests that had gone."""

    def __len__(self) -> int:
        return len(self._open)

    def open(self, request: int, key: InstanceKey, client: bytes = b"") -> Waiting[R] | None:
        """Open a request; None when there are too many."""
        if len(self._open) >= self._limit:
            self.refused += 1
            return None
        waiting: Waiting[R] = Waiting(key, client)
        self._open[request] = waiting
        return waiting

    def client_of(self, request: int) -> bytes | None:
        """Who asked; None when the request has gone."""
        waiting = self._open.get(request)
        return None if waiting is None else waiting.client

    def answer(self, request: int, reply: R) -> None:
        """Answer a request, once; an answer to one that has gone is counted and dropped."""
        waiting = self._open.pop(request, None)
        if waiting is None:
            self.late += 1
            return
        waiting.reply = reply
        if waiting.future is not None and not waiting.future.done():
            waiting.future.set_result(None)
        if waiting.timer is not None:
            waiting.timer.cancel()
        if waiting.then is not None:
            waiting.then(reply)

    def when_answered(self, request: int, then: Callable[[R], None], too_late: R) -> None:
        """Call ``then`` once when the reply comes, or with ``too_late`` when it does not come in time. It is
        called within the step that answers, so it only notes what it is told."""
        waiting = self._open[request]
        waiting.then = then
        loop = asyncio.get_running_loop()
        waiting.timer = loop.call_later(self._timeout_s, self._give_up, request, too_late)

    def _give_up(self, request: int, too_late: R) -> None:
        self.timed_out += 1
        self.answer(request, too_late)

    async def answered(self, request: int, waiting: Waiting[R]) -> R | None:
        """The reply, waiting for it if need be; None when it did not come in time."""
        if waiting.reply is not None:
            return waiting.reply
        waiting.future = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                await waiting.future
        except TimeoutError:
            self.timed_out += 1
        finally:
            self._open.pop(request, None)
        return waiting.reply

    def answer_all(self, reply: R) -> None:
        """Answer whoever waits; the agent stops."""
        for request in list(self._open):
            self.answer(request, reply)
