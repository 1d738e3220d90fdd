"""A day recorded in the simulator and lived again: the world is the same, so must be what comes of it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.core.pool import HIT_S, ORIGIN_S, RTT_S, Origin
from tests.core.solo import START_S, key, settings_of
from zoned.core import actions as act
from zoned.core import events as ev
from zoned.core.actions import Action
from zoned.core.cache import CacheSettings
from zoned.core.names import Instant, Season
from zoned.core.records import Source
from zoned.journal import JournalError, Recorder, read_journal
from zoned.journal.frames import MAGIC, Frame, encode
from zoned.journal.lives import beginning
from zoned.simulation.cluster import Cluster, chance
from zoned.simulation.host import Host
from zoned.simulation.journal_replay import JournalReplay, runners
from zoned.simulation.network import Network, NetworkSettings
from zoned.simulation.recording import JournalOrigin, Recording, measured, recording_of
from zoned.simulation.results import PolicyResult, ReplayOptions, no_progress
from zoned.simulation.world import Answer

SEASON = Season(START_S - 1e6, START_S + 20.0, 600.0)
CAPACITY = 30


class RecordedPool:
    """Two agents whose nodes are recorded; the second one is killed and comes back, then drained."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.answers: list[Answer] = []
        self.seasons: list[float] = []
        self.cluster = Cluster(
            network=Network(NetworkSettings(one_way_s=RTT_S / 2, jitter_s=0.0), chance(1, "network")),
            origin=Origin(),
            start_s=START_S,
            hit_s=HIT_S,
            rtt_s=RTT_S,
            instant_fetches=False,
            answered=self.answers.append,
            season=SEASON,
        )
        cache = CacheSettings(max_bytes=None, max_objects=CAPACITY, default_ttl_s=None)
        self.hosts = [self.cluster.add(settings_of(n, i, cache=cache)) for i, n in enumerate(("a1", "b1"))]
        self.recorders: dict[str, tuple[Recorder, Instant]] = {}

    def boot(self, host: Host) -> None:
        state = host.saved
        node, began = host.boot(state), host.now()
        recorder = Recorder(began)
        self.recorders[host.name] = recorder, began
        handle = node.handle

        def recorded(event: ev.Event, now: Instant) -> list[Action]:
            actions: list[Action] = handle(event, now)
            recorder.taken(event, actions, now)
            self.seasons.append(now.season_s - SEASON.at(now.wall_s))
            return actions

        node.handle = recorded
        begin = beginning("1", began.wall_s, SEASON, host.settings, state)
        self.frames.append(Frame(host.name, int(began.wall_s * 1000), "begin", begin))

    def write(self, host: Host, **how: str) -> None:
        recorder, began = self.recorders[host.name]
        content = {"rows": recorder.take(), "until_s": self.cluster.schedule.now_s - began.mono_s, **how}
        self.frames.append(Frame(host.name, int(began.wall_s * 1000), "end" if how else "rows", content))

    def live(self, path: Path) -> None:
        cluster, (a, b), rng = self.cluster, self.hosts, Random(5)
        self.boot(a)
        cluster.run_until(1.0)
        self.boot(b)
        b.give(ev.Join(seeds=(a.settings.gossip_address,)))
        for second in range(20, 140):
            for step in range(6):
                cluster.run_until(second + step / 7)
                host = rng.choice(self.hosts)
                if host.node is not None:
                    host.read(key(int(rng.paretovariate(0.6)) % 90), b"u%d" % (second % 9))
            if second == 60:
                self.write(b)
                b.crash()
            elif second == 75:
                self.boot(b)
                b.give(ev.Join(seeds=(a.settings.gossip_address,)))
            elif second == 120:
                b.give(ev.Drain(zone="b"))
        for host in self.hosts:
            self.write(host, how="restart")
        path.write_bytes(MAGIC + b"".join(map(encode, self.frames)))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> tuple[RecordedPool, Recording]:
    path = tmp_path_factory.mktemp("journal") / "day.zj"
    lived = RecordedPool()
    lived.live(path)
    return lived, recording_of(read_journal([path]))


def options(recording: Recording, **changed: float) -> ReplayOptions:
    return measured(recording, ReplayOptions(**({"hit_s": HIT_S, "warmup": 0.0} | changed)))  # type: ignore[arg-type]


def run(recording: Recording, name: str, **changed: float) -> PolicyResult:
    chosen = options(recording, **changed)
    return runners(recording)[name](recording.trace, CAPACITY, chosen, no_progress)


def test_what_was_measured_is_found_again(pool: tuple[RecordedPool, Recording]) -> None:
    lived, recording = pool
    found = options(recording)
    assert (found.rtt_s, found.origin_s, found.hit_s) == (
        pytest.approx(RTT_S),
        pytest.approx(ORIGIN_S),
        HIT_S,
    )
    assert recording.capacity == CAPACITY and not recording.by_bytes and not recording.unequal
    assert len(recording.trace) == len(lived.answers)
    assert [life.ended for life in recording.journal.lives] == ["restart", "killed", "restart"]
    assert recording.trace.ts[-1] - recording.trace.ts[0] == pytest.approx(600.0 * 120, rel=0.02)


def test_the_recorded_figures_are_what_the_clients_saw(pool: tuple[RecordedPool, Recording]) -> None:
    lived, recording = pool
    real = run(recording, "recorded")
    hits = sum(one.source is Source.LOCAL for one in lived.answers)
    assert real.requests == len(lived.answers) and real.hits == hits
    assert real.mean_latency_ms == pytest.approx(
        sum(one.latency_s for one in lived.answers) / len(lived.answers) * 1e3, rel=1e-3
    )
    moved = [host.transfers for host in lived.hosts]
    assert real.origin_fetches == sum(one.origin for one in moved)
    assert real.peer_transfers == sum(one.peer for one in moved)
    assert real.prefetches == sum(one.prefetched for one in moved)


def test_the_replay_agrees_agent_by_agent(pool: tuple[RecordedPool, Recording]) -> None:
    _, recording = pool
    real, ours = run(recording, "recorded"), run(recording, "zoned")
    assert ours.requests == real.requests and 0.2 < real.hit_ratio < 0.9
    assert ours.hit_ratio == pytest.approx(real.hit_ratio, abs=0.01)
    theirs, replayed = real.details["agents"], ours.details["agents"]
    for node, told in theirs.items():  # type: ignore[attr-defined]
        assert replayed[node]["requests"] == told["requests"]  # type: ignore[index]
        assert replayed[node]["hit_ratio"] == pytest.approx(told["hit_ratio"], abs=0.015)  # type: ignore[index]
    assert ours.origin_fetches == pytest.approx(real.origin_fetches, rel=0.05)
    assert ours.peer_transfers == pytest.approx(real.peer_transfers, rel=0.2)


def test_a_world_without_the_kill_would_not_agree(
    pool: tuple[RecordedPool, Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agreement is not one that any replay would have."""
    _, recording = pool
    real = run(recording, "recorded")
    monkeypatch.setattr(JournalReplay, "_off", lambda self, host: None)
    monkeypatch.setattr(Host, "boot", lambda self, state=None: None)
    deaf = run(recording, "zoned")
    assert deaf.hits == 0 and real.hits > 100  # agents that never start serve nothing


def test_the_season_runs_as_it_ran(pool: tuple[RecordedPool, Recording]) -> None:
    lived, recording = pool
    assert max(map(abs, lived.seasons)) < 1e-6
    replay = JournalReplay(recording, options(recording))
    replay.run(no_progress)
    now = replay.hosts["a1"].now()
    assert now.season_s == pytest.approx(SEASON.at(now.wall_s)) and now.season_s != now.wall_s


def test_warm_up_and_ablation(pool: tuple[RecordedPool, Recording]) -> None:
    _, recording = pool
    late, whole = run(recording, "recorded", warmup=0.5), run(recording, "recorded")
    assert late.requests == len(recording.trace) - recording.trace.warm_from(0.5) < whole.requests
    assert run(recording, "zoned", warmup=0.5).requests == pytest.approx(late.requests, abs=2)
    alone = ReplayOptions(warmup=0.0, ablate=("digests",), hit_s=HIT_S, rtt_s=RTT_S, origin_s=ORIGIN_S)
    without = runners(recording)["zoned"](recording.trace, CAPACITY, alone, no_progress)
    assert without.peer_transfers < 0.7 * run(recording, "zoned").peer_transfers


def test_origins_answer_as_they_did(tmp_path: Path) -> None:
    recorder = Recorder(Instant(0.0, 0.0, 0.0))
    for number, (outcome, size, ttl_s, seconds) in enumerate(
        [("ok", 10, 5.0, 0.1), ("ok", 30, None, 0.3), ("not_found", 0, None, 0.2), ("failed", 0, None, 9.0)]
    ):
        now = Instant(float(number), 0.0, 0.0)
        asked = act.FetchOrigin(fetch=number, key=key(number), timeout_s=1.0)
        recorder.taken(ev.Read(request=number, key=key(number)), [asked], now)
        done = ev.FetchDone(
            fetch=number, outcome=ev.FetchOutcome(outcome), size=size, ttl_s=ttl_s, latency_s=seconds
        )
        recorder.taken(done, [], now)
    frames = [
        Frame("a1", 1, "begin", beginning("1", 0.0, Season(), settings_of("a1"), None)),
        Frame("a1", 1, "rows", {"rows": recorder.take()}),
    ]
    path = tmp_path / "day"
    path.write_bytes(MAGIC + b"".join(map(encode, frames)))
    origin = JournalOrigin(recording_of(read_journal([path])), 7.0)
    assert [origin.size_of(key(n)) for n in range(4)] == [10, 30, 20, 20]
    assert [origin.ttl_s(key(n)) for n in range(4)] == [5.0, None, None, None]
    assert [origin.outcome(key(n)).value for n in range(4)] == ["ok", "ok", "not_found", "ok"]
    assert origin.latency_s(key(0)) == pytest.approx(0.2) and origin.latency_s(key(0, "other")) == 7.0


def test_a_journal_in_which_nobody_read_is_refused(tmp_path: Path) -> None:
    begin = beginning("1", 0.0, Season(), settings_of("a1"), None)
    path = tmp_path / "day"
    path.write_bytes(MAGIC + encode(Frame("a1", 1, "begin", begin)))
    with pytest.raises(JournalError, match="nobody read anything"):
        recording_of(read_journal([path]))
