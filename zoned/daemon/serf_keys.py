"""The keyring and Serf's agents: their queries to us, ours to them.

The core speaks Serf's wire, the keyring is here, and between them go four arrows: ``KeyRequest`` and
``KeyAnswered`` for what others ask of us, ``AskKeys`` and ``KeyReplies`` for what we ask of them. Serf tells
keys as they are and knows no fingerprints, so this is also where the one becomes the other. What our own
rules refuse (to remove the key that seals, a ninth key, one of an odd length) is refused to Serf's agents,
too, in words that ``serf keys`` prints.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from zoned.core.actions import KeyReplies, KeyReply, KeyRequest
from zoned.core.events import AskKeys, Event, KeyAnswered, KeyVerb
from zoned.core.names import NodeName
from zoned.daemon.keyring import fingerprint, key_text, parse_key

TIMEOUT_S = 3.0
"""For Serf's agents to answer: at least two questions, should packets get lost."""
MAX_REQUESTS = 16
"""Requests of Serf's agents being done; one more is refused."""

Obey = Callable[[str, KeyVerb, str], Coroutine[Any, Any, str]]
"""Does a verb for a member, with a key as base64 or by fingerprint; why it was not done, or ""."""


class SerfKeys:
    """Both directions. ``obey``: changes our keyring; ``texts``: our keys; ``spawn``: runs a task."""

    def __init__(
        self,
        obey: Obey,
        texts: Callable[[], tuple[str, ...]],
        submit: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self._obey = obey
        self._texts = texts
        self._submit = submit
        self._spawn = spawn
        self._numbers = itertools.count(1)
        self._asking: dict[int, asyncio.Future[tuple[KeyReply, ...]]] = {}
        self._under_way = 0
        self.counters = {"requests": 0, "refused_requests": 0}

    # ---- theirs ---------------------------------------------------------------------------------

    def requested(self, action: KeyRequest) -> None:
        """A member's query, passed on by the core."""
        self.counters["requests"] += 1
        if self._under_way >= MAX_REQUESTS:
            self.counters["refused_requests"] += 1
            self._submit(KeyAnswered(request=action.request, error="busy with other changes of keys"))
            return
        self._under_way += 1
        self._spawn(self._do(action), f"keys for {action.asker}")

    async def _do(self, action: KeyRequest) -> None:
        error = ""
        try:
            if action.verb is KeyVerb.INSTALL:
                error = await self._obey(action.asker, action.verb, key_text(action.key))
            elif action.verb is not KeyVerb.LIST:
                error = await self._obey(action.asker, action.verb, fingerprint(action.key))
        finally:
            self._under_way -= 1
        keys = self._texts() if action.verb is KeyVerb.LIST else ()
        self._submit(KeyAnswered(request=action.request, error=error, keys=keys))

    # ---- ours -----------------------------------------------------------------------------------

    async def ask(
        self, verb: KeyVerb, key: bytes, nodes: Sequence[NodeName]
    ) -> dict[NodeName, tuple[str, tuple[bytes, ...]]]:
        """(error, keys) of each of these members that answered."""
        number = next(self._numbers)
        waiting: asyncio.Future[tuple[KeyReply, ...]] = asyncio.get_running_loop().create_future()
        self._asking[number] = waiting
        try:
            order = AskKeys(request=number, verb=verb, key=key, nodes=tuple(nodes), timeout_s=TIMEOUT_S)
            self._submit(order)
            async with asyncio.timeout(2 * TIMEOUT_S):
                replies = await waiting
        except TimeoutError:  # the node is gone: it always answers an AskKeys
            replies = ()
        finally:
            del self._asking[number]
        return {reply.node: _read(reply) for reply in replies}

    def replied(self, action: KeyReplies) -> None:
        """What came in."""
        waiting = self._asking.get(action.request)
        if waiting is not None and not waiting.done():
            waiting.set_result(action.replies)


def _read(reply: KeyReply) -> tuple[str, tuple[bytes, ...]]:
    try:
        return reply.error, tuple(map(parse_key, reply.keys))
    except ValueError as error:
        return f"tells a key that is none: {error}", ()
