"""The configuration back as TOML: what is in force, where it came from, and what there is to set."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoned.config.schema import BY_DEPENDENCY_KEY, BY_PATH, DEPENDENCY, KEYS, Key
from zoned.config.shapes import Config
from zoned.core.gossip import Detection, detection

POOL_SIZES = (3, 10, 30, 100)
"""Pools for which detection and staleness are told; a pool's size is not in the configuration."""
_DEPENDENCY_KEY = re.compile(r"dependency\[(.*)\]\.(\w+)")


def _sections(keys: tuple[Key, ...]) -> dict[str, list[Key]]:
    grouped: dict[str, list[Key]] = {}
    for key in keys:
        grouped.setdefault(key.section, []).append(key)
    return grouped


def _line(key: Key, value: object) -> str:
    """``replicas = 2``; what is not set stays visible as a comment."""
    if value is None:
        return f"# {key.name} = {key.absent or 'not set'}"
    return f"{key.name} = {key.kind.render(value)}"


def _placed(line: str, source: str | None) -> str:
    return line if source is None else f"{line:<44} # {source}"


def effective(config: Config, *, origin: bool = False) -> Iterator[str]:
    """Lines of TOML that say what is in force; with ``origin`` each names its place. Headers are hidden."""
    for section, keys in _sections(KEYS).items():
        yield f"[{section}]"
        for key in keys:
            source = config.sources[key.path] if origin else None
            yield _placed(_line(key, config.values[key.path]), source)
        if section == "gossip":
            yield from _detections(config)
        yield ""
    for dependency in config.dependencies:
        yield "[[dependency]]"
        for key in DEPENDENCY:
            path = f"dependency[{dependency.policy.name}].{key.name}"
            yield _placed(_line(key, config.values[path]), config.sources[path] if origin else None)
        yield ""


def detections(config: Config) -> dict[int, Detection]:
    """Seconds until a crash is agreed upon with these timers, by the number of members."""
    return {members: detection(config.node.gossip, members) for members in POOL_SIZES}


def staleness_s(config: Config) -> dict[int, float]:
    """Seconds until all know what an agent tells, with these timers, by the number of members."""
    return {members: config.node.gossip.staleness_s(members) for members in POOL_SIZES}


def _detections(config: Config) -> Iterator[str]:
    yield "# with these timers all agree on a crash after about"
    for members, told in detections(config).items():
        yield (
            f"#   {told.soonest_s:.3g} to {told.latest_s:.3g} s, mostly {told.typical_s:.3g} s,"
            f" in a pool of {members}"
        )
    yield "# and what an agent tells (load, forecast, what it holds) all others know within"
    for members, bound_s in staleness_s(config).items():
        yield f"#   {bound_s:.3g} s in a pool of {members}"


def describe(config: Config) -> list[dict[str, str]]:
    """The same as rows ``{"key", "value", "origin"}`` for ``/v1/config``; no secret is in them."""
    rows = []
    for path, value in config.values.items():
        found = _DEPENDENCY_KEY.fullmatch(path)
        key = BY_DEPENDENCY_KEY[found[2]] if found else BY_PATH[path]
        text = "" if value is None else key.kind.render(value)
        rows.append({"key": path, "value": text, "origin": config.sources[path]})
    return rows


def defaults() -> Iterator[str]:
    """A file with every key, its default and what it is for; only what has no default is left to fill in."""
    for section, keys in _sections((*KEYS, *DEPENDENCY)).items():
        yield f"# [[{section}]]" if section == "dependency" else f"[{section}]"
        for key in keys:
            comment = section == "dependency" or key.default is None or key.profiled
            head = "# " if comment else ""
            value = key.kind.example if key.default is None else key.kind.render(key.default)
            note = f"; default: {key.absent}" if key.absent else "; required" if key.required else ""
            note = "; default: the profile's" if key.profiled else note
            yield f"{f'{head}{key.name} = {value}':<44} # {key.about}{note} ({key.kind.expects})"
        yield ""
