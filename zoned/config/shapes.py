"""The configuration as the program sees it: frozen, complete, checked.

Made once at start (``zoned.config.load``) and handed down; nobody reads a file, a variable or a flag
after that. The stages of the core get their own part in ``node`` and know nothing of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoned.core.names import Address
from zoned.core.records import DependencyPolicy
from zoned.core.settings import NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """``[agent]``: who this agent is, and where it lives on its host."""

    node: str
    zone: str
    data_dir: Path
    insecure: bool = False
    """Allows binds outside loopback although nothing is encrypted or authenticated there."""
    log: str = "text"
    """``text`` or ``json``."""
    seed: int = 0
    season_start_s: float | None = None
    """Demo and tests: the season clock starts at this Unix time, at ``season_since_s`` ..."""
    season_rate: float = 1.0
    """... and runs this many times faster than the wall's. None and 1.0: it is the wall clock."""
    season_since_s: float | None = None
    """When it starts, by the wall; all agents of a demo are told the same moment. None: at their start."""
    journal: Path | None = None
    """Where to record what the node is told, for ``zoned replay``; None: nowhere."""
    journal_max_bytes: int = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """``[http]``: the local endpoint for status, reads and commands."""

    listen: Address
    socket: Path | None = None
    """Unix socket; None: none."""
    allowed_hosts: tuple[str, ...] = ()
    """Values of ``Host`` that are accepted besides localhost and the addresses bound."""
    token_file: Path | None = None
    """File with the bearer token that commands over TCP need; None: loopback may command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RespConfig:
    """``[resp]``: reads for clients of the Redis protocol."""

    listen: Address
    password_file: Path | None = None
    """File with the password that clients must say; None: none is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerConfig:
    """``[peer]``: where other agents fetch copies from us."""

    listen: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipConfig:
    """``[gossip]``: membership. ``join`` hosts may be names, looked up at each attempt."""

    bind: Address
    advertise: Address
    join: tuple[Address, ...] = ()
    profile: str = "lan"
    key_file: Path | None = None
    """The key that a keyring begins with; None: no encryption, unless there is a keyring already."""
    label: str = ""
    verify_incoming: bool = True
    verify_outgoing: bool = True
    """Off: what comes may be clear, what goes is clear, for the steps from a clear pool to a sealed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """``[store]``: the zone's cache."""

    max_bytes: int
    max_objects: int | None = None
    backend: str = "memory"
    eviction: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyConfig:
    """One ``[[dependency]]``: its policy for the core, and how its origin is reached."""

    policy: DependencyPolicy
    origin: str
    """URL with ``{key}``, where the key is percent-encoded but for ``/``."""
    headers: tuple[tuple[str, str], ...] = ()
    """Sent to the origin. May hold secrets: never shown."""
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it. ``values`` and ``sources`` have one entry per key (``ring.replicas``,
    ``dependency[pricing-api].ttl``): what it came to, and where from (``zoned.toml:14``,
    ``env ZONED_RING__REPLICAS``, ``--zone``, ``default``)."""

    agent: AgentConfig
    http: HttpConfig
    resp: RespConfig
    peer: PeerConfig
    gossip: GossipConfig
    store: StoreConfig
    dependencies: tuple[DependencyConfig, ...]
    node: NodeSettings
    values: Mapping[str, Any]
    sources: Mapping[str, str]
    path: Path | None = None
    """The main file, if there is one."""
