"""Getting into the pool, and back into it.

Seeds may be names, looked up anew at each attempt (their addresses change between attempts more often than
one thinks). While nobody else is known to be alive we try again: seeds start when they like, and an agent
that was cut off until everybody had forgotten it comes back by itself. The first attempts come quickly,
because a pool that starts together should be together within a second or two.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from zoned.core.events import Event, Join
from zoned.core.members import MemberState
from zoned.core.names import Address, NodeName
from zoned.core.snapshot import Snapshot
from zoned.daemon.log import Log

FIRST_RETRY_S = 0.5
GROWTH = 1.3
LONGEST_RETRY_S = 10.0


class Joining:
    """Joins by seeds, and keeps trying while alone."""

    def __init__(
        self, me: NodeName, snapshot: Callable[[], Snapshot], submit: Callable[[Event], None], log: Log
    ) -> None:
        self._me = me
        self._snapshot = snapshot
        self._submit = submit
        self._log = log

    async def join(self, seeds: Sequence[Address]) -> None:
        """One attempt."""
        found: dict[Address, None] = {}
        for host, port in seeds:
            for address in await self._look_up(host, port):
                found.setdefault(address)
        if found:
            self._submit(Join(seeds=tuple(found)))

    async def keep_joining(self, seeds: Sequence[Address]) -> None:
        """Attempts without end, while nobody else is there."""
        if not seeds:
            return
        wait_s = FIRST_RETRY_S
        while True:
            if self.alone():
                await self.join(seeds)
                await asyncio.sleep(wait_s)
                wait_s = min(GROWTH * wait_s, LONGEST_RETRY_S)
            else:
                wait_s = FIRST_RETRY_S
                await asyncio.sleep(LONGEST_RETRY_S)

    def alone(self) -> bool:
        """Whether no other member is alive, as far as we know."""
        members = self._snapshot().members
        return not any(m.node != self._me and m.state is MemberState.ALIVE for m in members)

    async def _look_up(self, host: str, port: int) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except OSError as error:
            self._log.say("warning", "seed_unknown", f"cannot look up {host}: {error.strerror}", seed=host)
            return []
        return [(str(address[0]), int(address[1])) for *_, address in found]
