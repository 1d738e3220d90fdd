"""The process: from a configuration to an exit code.

The order is: the data directory and what it remembers, the sockets, the agent, its tasks. Sockets come early,
so that a port in use is one clear line at once. All tasks live in one TaskGroup, by name; the death of any
ends the process with an error, and systemd starts it anew: half an agent is worse than none.

SIGTERM is a restart (the place in the ring is held), SIGINT leaves for good, as Serf does. Both give gossip a
moment to say so; a second signal ends that moment. SIGHUP is answered with a log line and changes nothing:
there is no reload yet, and the signal's default would kill the agent.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from zoned.config import Config
from zoned.core.errors import ZonedError
from zoned.core.events import StopKind
from zoned.daemon.agent import Agent
from zoned.daemon.log import LibraryRecords, Log
from zoned.daemon.sockets import bind
from zoned.daemon.state import StateFile
from zoned.daemon.transfer import BeforeCall

FAILED = 1


def run(config: Config, before_call: BeforeCall | None = None) -> int:
    """Run an agent until it is told to stop; its exit code. ``before_call`` is awaited before each fetch from
    another agent (a demo puts its distances there)."""
    log = Log(sys.stderr, "json" if config.agent.log == "json" else "text")
    handler = LibraryRecords(log)
    logging.getLogger().addHandler(handler)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, log, before_call))
    except Exception as error:
        for cause in _causes(error):
            _tell(log, cause)
        return FAILED
    finally:
        logging.getLogger().removeHandler(handler)
    return 0


async def _serve(config: Config, log: Log, before_call: BeforeCall | None) -> None:
    async with AsyncExitStack() as stack:
        state = StateFile(config.agent.data_dir)
        stack.callback(state.close)
        sockets = bind(config)
        stack.callback(sockets.close)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        running: set[asyncio.Task[None]] = set()

        def spawn(work: Coroutine[Any, Any, None], name: str) -> None:
            task = tasks.create_task(work, name=name)
            running.add(task)
            task.add_done_callback(running.discard)

        signals = _Signals(log)
        agent = Agent(config, sockets, state, log, spawn, signals.stop, before_call)
        try:
            await agent.start()
            for name, work in agent.background():
                spawn(work, name)
            await agent.say_goodbye(await signals.stop, signals.hurry)
        finally:
            for task in list(running):
                task.cancel()
            await agent.close()


class _Signals:
    """Signals as a future (how to stop) and an event (do not wait any longer)."""

    def __init__(self, log: Log) -> None:
        loop = asyncio.get_running_loop()
        self.stop: asyncio.Future[StopKind] = loop.create_future()
        self.hurry = asyncio.Event()
        self._log = log
        loop.add_signal_handler(signal.SIGTERM, self._told, StopKind.RESTART)
        loop.add_signal_handler(signal.SIGINT, self._told, StopKind.LEAVE)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _told(self, kind: StopKind) -> None:
        if self.stop.done():
            self.hurry.set()
        else:
            self.stop.set_result(kind)

    def _reload(self) -> None:
        self._log.say(
            "warning", "no_reload", "SIGHUP: there is no reload yet; restart to apply a configuration"
        )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions in a group, or the one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def _tell(log: Log, cause: BaseException) -> None:
    """What the operator can mend is one line; our own mistakes come with their traceback."""
    if isinstance(cause, ZonedError):
        log.say("error", "failed", str(cause))
    else:
        logging.getLogger("zoned").error("agent died", exc_info=cause)
