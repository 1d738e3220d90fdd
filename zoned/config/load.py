"""From what was given to one checked Config, or to every problem at once.

Three passes: collect (``given.py``), parse each value by its kind, then check what no single value can
show (a bind outside loopback, a name used twice). No pass stops at its first problem: an operator who
fixes one line per attempt gives up after the third. Only when there is none is anything built.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoned.config import gossip
from zoned.config.addresses import address_text, is_loopback, is_wildcard
from zoned.config.given import Findings, Given, read_env, read_files, read_flags
from zoned.config.kinds import Wrong, shown
from zoned.config.schema import (
    BY_PATH,
    DEPENDENCY,
    KEYS,
    STAGE_DEFAULTS,
    Key,
    default_data_dir,
    default_node,
    default_socket,
)
from zoned.config.shapes import (
    AgentConfig,
    Config,
    DependencyConfig,
    GossipConfig,
    HttpConfig,
    PeerConfig,
    RespConfig,
    StoreConfig,
)
from zoned.core.errors import ConfigError
from zoned.core.gossip import GossipSettings
from zoned.core.names import Address
from zoned.core.records import DependencyPolicy
from zoned.core.settings import NodeSettings, ablated

DEFAULT_PATH = Path("/etc/zoned/zoned.toml")
MAX_DEPENDENCIES = 1024

_BINDS = {
    "gossip.bind": "or encrypt it: gossip.key_file, and gossip.verify_incoming and verify_outgoing on",
    "peer.listen": "transfers are neither encrypted nor authenticated yet",
    "http.listen": "whoever reaches it may read everything and command the agent",
    "resp.listen": "it is not encrypted, so neither is resp.password_file's password",
}


class _Parsed:
    """Values by key, and where each came from; ``problems`` grows as they are read."""

    def __init__(self, problems: list[str]) -> None:
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.problems = problems
        self.bad: set[str] = set()  # keys that have a problem already; no second message for these

    def read(self, key: Key, path: str, given: Given) -> None:
        """Parse one value; the last one read of a key wins."""
        raw = key.kind.from_text(given.value) if given.text else given.value  # type: ignore[arg-type]
        try:
            self.values[path] = key.kind.parse(raw)
            self.sources[path] = given.origin
        except Wrong as wrong:
            self.bad.add(path)
            expected = wrong.expected or key.kind.expects
            self.problem(given.origin, path, f"expected {expected}, got {shown(given.value)}", key.hint())

    def problem(self, origin: str, path: str, what: str, hint: str) -> None:
        """One line: ``zoned.toml:14: ring.replicas: expected …, got … (default 2)``."""
        self.problems.append(f"{origin}: {path}: {what} ({hint})")

    def default(self, path: str, value: Any, source: str = "default") -> None:
        """Fill in what nobody gave."""
        if path not in self.values:
            self.values[path] = value
            self.sources[path] = source


def load(path: Path | None, env: Mapping[str, str], flags: Mapping[str, str]) -> Config:
    """Read the file (None: none) and ``conf.d`` beside it, then variables, then flags.

    ``flags`` maps keys to text (``{"agent.zone": "eu-1"}``). Raises ConfigError with all problems.
    """
    found = Findings()
    if path is not None:
        read_files(path, found)
    read_env(env, found)
    read_flags(flags, found)
    parsed = _Parsed(found.problems)
    for key in KEYS:
        for given in found.keys.get(key.path, ()):
            parsed.read(key, key.path, given)
    _defaults(parsed, env)
    _require_zone(parsed, found, path)
    _check_addresses(parsed)
    _check_horizons(parsed)
    _check_timers(parsed)
    names = list(_dependencies(parsed, found))
    if parsed.problems:
        raise ConfigError(tuple(sorted(dict.fromkeys(parsed.problems), key=_reading_order)))
    return _build(parsed, names, path)


def _reading_order(problem: str) -> tuple[bool, str, int]:
    """By file and line, as an editor walks; what has no line comes last, in the order found."""
    found = re.match(r"(.+?):(\d+): ", problem)
    return (False, found[1], int(found[2])) if found else (True, "", 0)


# ---- completing and checking --------------------------------------------------------------------


def _defaults(parsed: _Parsed, env: Mapping[str, str]) -> None:
    parsed.default("agent.node", default_node(), "default (host name)")
    if parsed.values.get("agent.data_dir") is None:
        parsed.values.pop("agent.data_dir", None)
        parsed.default("agent.data_dir", default_data_dir(env))
    parsed.default("http.socket", default_socket())
    parsed.default("gossip.profile", BY_PATH["gossip.profile"].default)
    profile = parsed.values["gossip.profile"]
    for name, value in gossip.profile_values(profile).items():
        parsed.default(f"gossip.{name}", value, f"default (profile {profile})")
    for key in KEYS:
        if not key.required and key.path != "gossip.advertise":
            parsed.default(key.path, key.default)
    parsed.default("gossip.advertise", parsed.values["gossip.bind"], "default (gossip.bind)")


def _require_zone(parsed: _Parsed, found: Findings, path: Path | None) -> None:
    if "agent.zone" in parsed.values or "agent.zone" in parsed.bad:
        return
    origin = found.sections.get("agent", f"{path}:1" if path else "no file")
    hint = 'example "eu-west-1a"; or --zone, or ZONED_AGENT__ZONE'
    parsed.problem(origin, "agent.zone", "expected the name of this agent's zone, got nothing", hint)


def _check_addresses(parsed: _Parsed) -> None:
    """Nothing unprotected may be reached from outside by accident, and no two may share a port."""
    values, sources = parsed.values, parsed.sources
    for key, why in _BINDS.items():
        address: Address = values[key]
        protected = values["agent.insecure"] or (key == "gossip.bind" and _seals(values))
        if key not in parsed.bad and not is_loopback(address) and not protected:
            what = f"expected a loopback address unless agent.insecure = true, got {address_text(address)}"
            parsed.problem(sources[key], key, what, why)
    advertise: Address = values["gossip.advertise"]
    if is_wildcard(advertise):
        what = f"expected an address of this host that the others can reach, got {address_text(advertise)}"
        parsed.problem(sources["gossip.bind"], "gossip.advertise", what, 'example "10.0.0.11:7946"')
    taken: dict[int, str] = {}
    for key in _BINDS:
        if not values[key][1]:
            continue  # any free port
        other = taken.setdefault(values[key][1], key)
        same = values[other][0] == values[key][0] or is_wildcard(values[other]) or is_wildcard(values[key])
        if other != key and same:
            what = f"expected a port of its own, got that of {other}"
            parsed.problem(sources[key], key, what, f"example {address_text((values[key][0], 7947))}")


def _seals(values: Mapping[str, Any]) -> bool:
    """Whether gossip is encrypted both ways."""
    both = values["gossip.verify_incoming"] and values["gossip.verify_outgoing"]
    return values["gossip.key_file"] is not None and both is True


def _check_horizons(parsed: _Parsed) -> None:
    horizons = parsed.values["forecast.horizons"]
    if list(horizons) != sorted(set(horizons)):
        what = "expected different durations, shortest first"
        parsed.problem(parsed.sources["forecast.horizons"], "forecast.horizons", what, 'default ["1h", "1d"]')


def _check_timers(parsed: _Parsed) -> None:
    """Gossip's timers and limits must fit one another; told where the operator set one of them."""
    for names, what, why in gossip.check(parsed.values):
        paths = [f"gossip.{name}" for name in names]
        if parsed.bad.isdisjoint(paths):
            given = [path for path in paths if not parsed.sources[path].startswith("default")]
            path = given[0] if given else paths[0]
            parsed.problem(parsed.sources[path], path, what, why)


def _dependencies(parsed: _Parsed, found: Findings) -> Iterator[str]:
    """Parse each ``[[dependency]]``; its keys become ``dependency[NAME].ttl``."""
    seen: dict[str, str] = {}
    for number, (begins, keys) in enumerate(found.dependencies, start=1):
        named = keys.get("name")
        label = named.value if named is not None and isinstance(named.value, str) else f"#{number}"
        prefix = f"dependency[{label}]"
        if label in seen:
            origin = named.origin if named is not None else begins
            what = f"expected a name not used before, got that of {seen[label]}"
            parsed.problem(origin, f"{prefix}.name", what, "each dependency once")
            prefix = f"dependency[{label}#{number}]"
        seen.setdefault(label, begins)
        for key in DEPENDENCY:
            if key.name in keys:
                parsed.read(key, f"{prefix}.{key.name}", keys[key.name])
            elif key.required:
                what = f"expected {key.kind.expects}, got nothing"
                parsed.problem(begins, f"{prefix}.{key.name}", what, key.hint())
            else:
                parsed.default(f"{prefix}.{key.name}", key.default)
        yield prefix
    if len(found.dependencies) > MAX_DEPENDENCIES:
        parsed.problems.append(f"dependency: expected at most {MAX_DEPENDENCIES} dependencies")


# ---- building -----------------------------------------------------------------------------------


def _build(parsed: _Parsed, prefixes: list[str], path: Path | None) -> Config:
    """All values are there and right: put them into their shapes."""
    values = parsed.values
    dependencies = tuple(_dependency(values, prefix) for prefix in prefixes)
    advertise: Address = values["gossip.advertise"]
    return Config(
        agent=AgentConfig(
            node=values["agent.node"],
            zone=values["agent.zone"],
            data_dir=values["agent.data_dir"],
            insecure=values["agent.insecure"],
            log=values["agent.log"],
            seed=values["agent.seed"],
            season_start_s=values["agent.season_start"],
            season_rate=values["agent.season_rate"],
            season_since_s=values["agent.season_since"],
            journal=values["agent.journal"],
            journal_max_bytes=values["agent.journal_max"],
        ),
        http=HttpConfig(
            listen=values["http.listen"],
            socket=values["http.socket"],
            allowed_hosts=values["http.allowed_hosts"],
            token_file=values["http.token_file"],
        ),
        resp=RespConfig(listen=values["resp.listen"], password_file=values["resp.password_file"]),
        peer=PeerConfig(listen=values["peer.listen"]),
        gossip=GossipConfig(
            bind=values["gossip.bind"],
            advertise=advertise,
            join=values["gossip.join"],
            profile=values["gossip.profile"],
            key_file=values["gossip.key_file"],
            label=values["gossip.label"],
            verify_incoming=values["gossip.verify_incoming"],
            verify_outgoing=values["gossip.verify_outgoing"],
        ),
        store=StoreConfig(
            max_bytes=values["store.max_bytes"],
            max_objects=values["store.max_objects"],
            backend=values["store.backend"],
            eviction=values["store.eviction"],
        ),
        dependencies=dependencies,
        node=_node(values, advertise, dependencies),
        values=values,
        sources=parsed.sources,
        path=path,
    )


def _dependency(values: Mapping[str, Any], prefix: str) -> DependencyConfig:
    fields = {key.field: values[f"{prefix}.{key.name}"] for key in DEPENDENCY if key.field}
    return DependencyConfig(
        policy=DependencyPolicy(name=values[f"{prefix}.name"], **fields),
        origin=values[f"{prefix}.origin"],
        headers=values[f"{prefix}.headers"],
        timeout_s=values[f"{prefix}.timeout"],
    )


def reachable(listen: Address, advertise: Address) -> Address | None:
    """What the others are told of a listening address: not a wildcard, and no loopback but to loopback."""
    if is_wildcard(listen):
        return advertise[0], listen[1]
    return listen if is_loopback(advertise) or not is_loopback(listen) else None


def _node(
    values: Mapping[str, Any], advertise: Address, dependencies: tuple[DependencyConfig, ...]
) -> NodeSettings:
    changes: dict[str, dict[str, Any]] = {stage: {} for stage in STAGE_DEFAULTS}
    for key in KEYS:
        if key.stage:
            changes[key.stage][key.field] = values[key.path]
    stages = dict(STAGE_DEFAULTS)
    stages["gossip"] = GossipSettings.profile(values["gossip.profile"])
    settings = NodeSettings(
        node=values["agent.node"],
        zone=values["agent.zone"],
        weight=values["agent.weight"],
        pool=values["gossip.pool"],
        seed=values["agent.seed"],
        gossip_address=advertise,
        peer_address=reachable(values["peer.listen"], advertise),
        http_address=reachable(values["http.listen"], advertise),
        resp_address=reachable(values["resp.listen"], advertise),
        policies=tuple(dependency.policy for dependency in dependencies),
        **{name: dataclasses.replace(stage, **changes[name]) for name, stage in stages.items()},
    )
    return ablated(settings, values["agent.ablate"])
