"""A recorded day, lived again: real nodes in virtual time, with the recorded agents' own clocks and past.

Each agent starts when it started, with the state that it found on its disk, joins by the seeds that it was
given, reads what its clients read when they read it, is drained, paused, stopped and killed as it was, and
its season runs as fast as it ran. Only gossip, fetches and timers are virtual, at life's pace. So a replay of
a journal says two things: whether the simulator can be believed (its hit ratios against those that were had),
and what one stage less (``--ablate``) would have done with the same day.

Models are fitted only where ``options.fitter`` does it, and origins do not fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from heapq import merge
from typing import NamedTuple, TypeAlias

from zoned.core.errors import StateError
from zoned.core.records import LedgerLine, Source
from zoned.core.settings import NodeSettings, ablated
from zoned.journal import JournalError, Life
from zoned.journal.lives import FULL, Fetch, Use, Wait, What
from zoned.simulation.cluster import Cluster, chance
from zoned.simulation.host import Host
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.policies import span_length
from zoned.simulation.recording import JournalOrigin, Recording, Score, recorded
from zoned.simulation.results import PolicyResult, Progress, ReplayOptions, Runner
from zoned.simulation.trace import Trace
from zoned.simulation.world import Answer, Transfers
from zoned.simulation.zoned_policy import by_dependency

_END_S = 5.0  # what is under way at the end of the day ends


class _Boot(NamedTuple):
    """The agent starts."""


class _Off(NamedTuple):
    """The process is gone."""


Step: TypeAlias = tuple[float, Life, "What | _Boot | _Off"]


def _steps(life: Life, recording: Recording) -> Iterator[Step]:
    yield life.wall_s, life, _Boot()
    for at_s, what in recording.happenings[life]:
        if not isinstance(what, Wait | Fetch):
            yield at_s, life, what
    if life.ended != FULL:
        yield life.end_s, life, _Off()


class JournalReplay:
    """One replay; ``hosts`` by agent."""

    def __init__(self, recording: Recording, options: ReplayOptions) -> None:
        self._recording = recording
        self._options = options
        self._start_s = min(life.wall_s for life in recording.journal.lives)
        self._score = Score(recording.journal.nodes, span_length(recording.trace))
        self._ledgers: list[tuple[LedgerLine, ...]] = []
        self.unreadable_states = 0
        self._cluster = Cluster(
            network=Network(
                NetworkSettings(one_way_s=options.rtt_s / 2, jitter_s=0.0), chance(options.seed, "network")
            ),
            origin=JournalOrigin(recording, options.origin_s),
            start_s=self._start_s,
            hit_s=options.hit_s,
            rtt_s=options.rtt_s,
            instant_fetches=False,
            answered=self._answered,
            season=recording.journal.lives[0].season,
            fitter=options.fitter,
        )
        self.hosts: dict[str, Host] = {}
        for life in recording.journal.lives:
            if life.node not in self.hosts:
                if life.settings.peer_address is None:
                    raise JournalError(
                        f"{recording.journal.name}: {life.node} told nobody where it serves copies"
                        f" (peer.listen on loopback, gossip elsewhere); leave it out"
                    )
                self.hosts[life.node] = self._cluster.add(self._settings(life))

    def _settings(self, life: Life) -> NodeSettings:
        """As recorded, but for what only a real agent has; a second life has the first one's addresses."""
        settings, host = life.settings, self.hosts.get(life.node)
        if host is not None:
            first = host.settings
            settings = replace(settings, gossip_address=first.gossip_address, peer_address=first.peer_address)
        if self._options.fitter is None:
            settings = replace(settings, forecast=replace(settings.forecast, worker_enabled=False))
        return ablated(settings, self._options.ablate)

    def run(self, progress: Progress) -> PolicyResult:
        """Live through it all."""
        recording, cluster, score = self._recording, self._cluster, self._score
        since_s, every = recording.measured_from_s(self._options.warmup), span_length(recording.trace)
        before, done = Transfers(), 0
        lives = [_steps(life, recording) for life in recording.journal.lives]
        for at_s, life, what in merge(*lives, key=lambda step: step[0]):
            cluster.run_until(at_s - self._start_s)
            if not score.on and at_s >= since_s:
                before, score.on = self._moved(), True
            self._step(life, what)
            if isinstance(what, Use):
                done += 1
                if not done % every:
                    progress(done)
        cluster.run_until(cluster.schedule.now_s + _END_S)
        for host in self.hosts.values():
            self._off(host)
        score.meter.mark()
        progress(len(recording.trace))
        return self._result(before)

    def _step(self, life: Life, what: What | _Boot | _Off) -> None:
        host = self.hosts[life.node]
        match what:
            case _Boot():
                self._off(host)  # a life that overlaps the next one: its host's clock was set
                host.settings = self._settings(life)
                try:
                    host.boot(life.state)
                except StateError:
                    self.unreadable_states += 1
                    host.boot()
            case _Off():
                self._off(host)
            case Use(key=key, client=client):
                host.read(key, client)
            case Wait() | Fetch():
                raise AssertionError("what the real world answered is not played")
            case event:
                host.give(event)

    def _off(self, host: Host) -> None:
        if host.node is not None:
            self._ledgers.append(host.node.tuner.ledger(host.node.observer.price))
            host.crash()

    def _answered(self, answer: Answer) -> None:
        self._score.read(answer.node, answer.source is Source.LOCAL)
        self._score.waited(answer.latency_s)

    def _moved(self) -> Transfers:
        total = Transfers()
        for host in self.hosts.values():
            total.add(host.transfers)
        return total

    def _result(self, before: Transfers) -> PolicyResult:
        score, after = self._score, self._moved()
        lines = [ledger[0] for ledger in self._ledgers]
        requests = max(1, sum(line.requests for line in lines))
        score.meter.moved(before, after)
        return score.meter.result(
            {
                "agents": score.by_agent(),
                "ledger_hit_ratio": round(sum(line.hits for line in lines) / requests, 6),
                "ledger_lru_hit_ratio": round(
                    sum(line.lru_hit_ratio * line.requests for line in lines) / requests, 6
                ),
                "dependencies": by_dependency(self._ledgers),
                "gossip": dict(self._cluster.network.sent),
                "unreadable_states": self.unreadable_states,
            }
        )


def runners(recording: Recording) -> dict[str, Runner]:
    """What a journal can show besides the reference policies: ``recorded``, and ``zoned`` as it was set."""

    def zoned(trace: Trace, capacity: int, options: ReplayOptions, progress: Progress) -> PolicyResult:
        return JournalReplay(recording, options).run(progress)

    def real(trace: Trace, capacity: int, options: ReplayOptions, progress: Progress) -> PolicyResult:
        return recorded(recording, options, progress)

    return {"recorded": real, "zoned": zoned}
