"""From frames to lives: each start of each agent, what it began with, and what happened to it, in order.

A *life* begins when an agent starts and ends with a word (``restart``, ``leave``, ``full``: the journal had
no more room) or without one: then the agent was killed, at about its last row. Times are told on the wall of
the agent's host, from its mono clock and what the wall said at the beginning: a wall that is set meanwhile
moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from zoned.core import events as ev
from zoned.core.names import InstanceKey, Season, key_hash
from zoned.core.records import Access, Load, Source
from zoned.core.settings import NodeSettings
from zoned.journal.frames import Frame, JournalError, Torn, read_frames
from zoned.journal.recorder import COMMAND, FETCH, HITS, LOAD, READ, REPORT, TIMED, WAITED, Row
from zoned.journal.settings import pack_settings, unpack_settings

FORMAT = 1
KILLED, FULL = "killed", "full"


class Use(NamedTuple):
    """A client read through the agent; ``hit``: the real agent answered from its store at once."""

    key: InstanceKey
    client: bytes
    hit: bool


class Wait(NamedTuple):
    """A read that was no hit was answered; ``source`` as in `Source`, "" if it failed."""

    source: str
    seconds: float


class Fetch(NamedTuple):
    """A fetch of the real agent ended. ``outcome`` as in `FetchOutcome`; ``ahead``: nobody had asked."""

    key: InstanceKey
    source: str
    ahead: bool
    outcome: str
    size: int
    version: str
    ttl_s: float | None
    latency_s: float


What: TypeAlias = Use | Wait | Fetch | ev.Event


class Happening(NamedTuple):
    """One thing, ``at_s`` Unix seconds."""

    at_s: float
    what: What


class Account(NamedTuple):
    """What an agent's own ledger said of one life, as far as it was recorded."""

    requests: int = 0
    hits: int = 0
    lru_hits: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Life:
    """One start of one agent, until it ended. Each is only itself, and may be a key."""

    node: str
    version: str
    wall_s: float
    season: Season
    settings: NodeSettings
    state: dict[str, Any] | None
    rows: list[Row] = field(repr=False)
    ended: str  # restart | leave | full | killed
    end_s: float  # Unix seconds
    dropped: int
    account: Account

    def happenings(self) -> Iterator[Happening]:
        """What happened, in order. Raises JournalError on rows that mean nothing."""
        for row in self.rows:
            try:
                at_s = self.wall_s + row[1]
                for what in _READERS[row[0]](row):
                    yield Happening(at_s, what)
            except (KeyError, IndexError, TypeError, ValueError) as error:
                raise JournalError(
                    f"journal of {self.node}: a row means nothing ({str(row)[:80]}); leave its agent out"
                ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """All lives of a recording, by their beginning."""

    name: str
    lives: tuple[Life, ...]
    torn_bytes: int

    @property
    def nodes(self) -> tuple[str, ...]:
        """The agents, sorted."""
        return tuple(sorted({life.node for life in self.lives}))


def beginning(
    version: str, wall_s: float, season: Season, settings: NodeSettings, state: dict[str, Any] | None
) -> dict[str, Any]:
    """The content of the frame that begins a life."""
    return {
        "format": FORMAT,
        "version": version,
        "wall_s": wall_s,
        "season": list(season),
        "settings": pack_settings(settings),
        "state": state,
    }


def read_journal(paths: Sequence[Path]) -> Journal:
    """Read one or several journals into one. Raises JournalError."""
    torn = Torn()
    frames: dict[tuple[str, int], list[Frame]] = {}
    for path in paths:
        for frame in read_frames(path, torn):
            frames.setdefault((frame.node, frame.life), []).append(frame)
    name = ", ".join(str(path) for path in paths)
    lives = [_life(one, name) for one in frames.values()]
    if not lives:
        raise JournalError(f"{name}: no agent recorded anything (was it stopped as it started?)")
    lives.sort(key=lambda life: (life.wall_s, life.node))
    return Journal(name=name, lives=tuple(lives), torn_bytes=torn.bytes)


def _life(frames: list[Frame], name: str) -> Life:
    first, where = frames[0], f"{name}: journal of {frames[0].node}"
    if first.kind != "begin":
        raise JournalError(f"{where}: does not begin with its agent's start; leave it out")
    told = first.content
    if told.get("format") != FORMAT:
        raise JournalError(
            f"{where}: format {told.get('format')!r}, this version reads {FORMAT}; replay it with zoned"
            f" {told.get('version', '')}"
        )
    try:
        rows = [tuple(row) for frame in frames[1:] for row in frame.content.get("rows", ())]
        last = [frame.content for frame in frames[1:]] or [{}]
        wall_s, state = float(told["wall_s"]), told["state"]
        if not (state is None or isinstance(state, dict)):
            raise ValueError(f"state: expected a dictionary, got {type(state).__name__}")
        ended = [frame.content["how"] for frame in frames if frame.kind == "end"]
        return Life(
            node=first.node,
            version=str(told["version"]),
            wall_s=wall_s,
            season=Season(*map(float, told["season"])),
            settings=unpack_settings(told["settings"]),
            state=state,
            rows=rows,
            ended=str(ended[-1]) if ended else KILLED,
            end_s=wall_s + float(last[-1].get("until_s", 0.0)),
            dropped=sum(int(content.get("dropped", 0)) for content in last),
            account=Account(*last[-1].get("account", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise JournalError(f"{where}: its beginning means nothing ({error!r}); leave it out") from error


# ---- rows ---------------------------------------------------------------------------------------


def _hits(row: Row) -> Iterator[What]:
    """Hits that a front served by itself: each use is a read, its client known where steps tell it."""
    _, _, uses, steps = row
    clients: dict[InstanceKey, list[bytes]] = {}
    for dependency, key, client in steps:
        clients.setdefault(InstanceKey(dependency, key), []).append(client)
    for dependency, raw, times in uses:
        instance = InstanceKey(dependency, raw)
        known = clients.get(instance, [])
        for number in range(times):
            yield Use(instance, known[number] if number < len(known) else b"", True)


def _report(row: Row) -> Iterator[What]:
    accesses = []
    for dependency, raw, size, hit, client in row[2]:
        key = InstanceKey(dependency, raw)
        accesses.append(Access(key, key_hash(key), size, hit, client))
    yield ev.AccessBatch(accesses=tuple(accesses))


def _command(row: Row) -> Iterator[What]:
    match row[2:]:
        case ["join", seeds]:
            yield ev.Join(seeds=tuple((host, port) for host, port in seeds))
        case ["drain", zone]:
            yield ev.Drain(zone=zone)
        case ["undrain", zone]:
            yield ev.Undrain(zone=zone)
        case ["pause", paused]:
            yield ev.Pause(paused=paused)
        case ["forget", node]:
            yield ev.Forget(node=node)
        case ["stop", kind]:
            yield ev.Stop(kind=ev.StopKind(kind))
        case ["invalidate", dependency, key]:
            yield ev.Invalidate(dependency=dependency, key=key)
        case words:
            raise ValueError(f"no command {words!r}")


def _fetch(row: Row) -> Iterator[What]:
    dependency, raw, *rest = row[2:]
    yield Fetch(InstanceKey(dependency, raw), *rest)


_READERS = {
    READ: lambda row: (Use(InstanceKey(row[2], row[3]), row[4], row[5]),),
    WAITED: lambda row: (Wait(row[2], float(row[3])),),
    HITS: _hits,
    REPORT: _report,
    FETCH: _fetch,
    TIMED: lambda row: (ev.Timed(source=Source(row[2]), mean_s=float(row[3]), count=int(row[4])),),
    LOAD: lambda row: (
        ev.LoadSampled(load=Load(cpu=row[2], memory=row[3], network=row[4], loop_lag_s=row[5])),
    ),
    COMMAND: _command,
}
