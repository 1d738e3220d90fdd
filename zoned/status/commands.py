"""Commands: a JSON body becomes one event, or a reason why not.

Each is idempotent and is answered 202 as soon as the node has it: what follows takes its time and shows in
``/v1/status``. With ``"dry_run": true`` it is only checked, and 200. 400: the body is not what the command
takes; 409: it makes no sense for the pool as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from zoned.core import events as ev
from zoned.core.members import MemberState
from zoned.core.names import MAX_KEY_BYTES, Address
from zoned.core.snapshot import Snapshot

MAX_SEEDS = 64
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})")
_GONE = (MemberState.FAILED, MemberState.LEFT)


class BadCommand(Exception):
    """The body is not what the command takes (400)."""


class Conflict(Exception):
    """The command makes no sense now (409)."""


Body = Mapping[str, Any]
Command = Callable[[Body, Snapshot], ev.Event]


def _text(body: Body, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or not value:
        raise BadCommand(f'expected "{name}": text')
    return value


def _only(body: Body, *names: str) -> None:
    unknown = sorted(set(body) - set(names))
    if unknown:
        raise BadCommand(f'unknown key "{unknown[0]}"; expected {", ".join(names) or "none"}')


def dry_run(body: Body) -> tuple[Body, bool]:
    """Every command takes ``"dry_run": true``: it is checked against the pool as it is, and not done. Returns
    the rest of the body, and whether it says so."""
    dry = body.get("dry_run", False)
    if not isinstance(dry, bool):
        raise BadCommand('expected "dry_run": true or false')
    return {name: value for name, value in body.items() if name != "dry_run"}, dry


def drain(body: Body, snapshot: Snapshot) -> ev.Event:
    """``{"zone"}``, ours when absent: warm the others, then let its traffic go."""
    _only(body, "zone")
    zone = _text(body, "zone", snapshot.zone)
    if not any(member.zone == zone and member.role == "zoned" for member in snapshot.members):
        raise Conflict(f"no member in zone {zone}")
    return ev.Drain(zone=zone)


def undrain(body: Body, snapshot: Snapshot) -> ev.Event:
    """``{"zone"}``, ours when absent: it takes traffic again."""
    _only(body, "zone")
    return ev.Undrain(zone=_text(body, "zone", snapshot.zone))


def pause(body: Body, snapshot: Snapshot) -> ev.Event:
    """Stop all movement of copies in the pool."""
    _only(body)
    return ev.Pause(paused=True)


def resume(body: Body, snapshot: Snapshot) -> ev.Event:
    """Let copies move again."""
    _only(body)
    return ev.Pause(paused=False)


def join(body: Body, snapshot: Snapshot) -> ev.Event:
    """``{"seeds": ["host:port", ...]}``; hosts may be names, which whoever takes the event looks up."""
    _only(body, "seeds")
    seeds = body.get("seeds")
    if not isinstance(seeds, list) or not 0 < len(seeds) <= MAX_SEEDS:
        raise BadCommand(f'expected "seeds": a list of 1 to {MAX_SEEDS} HOST:PORT')
    return ev.Join(seeds=tuple(_address(seed) for seed in seeds))


def _address(text: object) -> Address:
    found = _HOST_PORT.fullmatch(text) if isinstance(text, str) else None
    if found is None or not 0 < int(found[3]) < 65536:
        raise BadCommand(f"expected HOST:PORT, got {text!r}")
    return found[1] or found[2], int(found[3])


def leave(body: Body, snapshot: Snapshot) -> ev.Event:
    """Leave the pool for good, and end."""
    _only(body)
    return ev.Stop(kind=ev.StopKind.LEAVE)


def forget(body: Body, snapshot: Snapshot) -> ev.Event:
    """``{"node"}``: drop a member that is gone, at once."""
    _only(body, "node")
    node = _text(body, "node")
    state = next((member.state for member in snapshot.members if member.node == node), None)
    if state is None:
        raise Conflict(f"no member {node}")
    if state not in _GONE:
        raise Conflict(f"{node} is {state.value}: only failed and left members are forgotten")
    return ev.Forget(node=node)


def invalidate(dependencies: frozenset[str]) -> Command:
    """``{"dependency", "key"}``; without a key the whole dependency."""

    def command(body: Body, snapshot: Snapshot) -> ev.Event:
        _only(body, "dependency", "key")
        dependency = _text(body, "dependency")
        if dependency not in dependencies:
            raise Conflict(f"unknown dependency {dependency}")
        if body.get("key") is None:
            return ev.Invalidate(dependency=dependency, key=None)
        key = _text(body, "key").encode("utf-8", "surrogateescape")
        if len(key) > MAX_KEY_BYTES:
            raise BadCommand(f"a key has at most {MAX_KEY_BYTES} bytes")
        return ev.Invalidate(dependency=dependency, key=key)

    return command


def commands(dependencies: frozenset[str]) -> Mapping[str, Command]:
    """Every command by its path."""
    return {
        "/v1/drain": drain,
        "/v1/undrain": undrain,
        "/v1/pause": pause,
        "/v1/resume": resume,
        "/v1/join": join,
        "/v1/leave": leave,
        "/v1/forget": forget,
        "/v1/invalidate": invalidate(dependencies),
    }
