"""Every key there is: one table, from which parsing, defaults, ``show``, ``check`` and the manual come.

A key of a stage names the field it sets, and takes its default from there, so that a default is written
once in the program. Keys that would do nothing yet are not in the table: an operator who sets one is
told so, instead of believing that it works.
"""

from __future__ import annotations

import dataclasses
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoned.config import addresses, gossip, kinds, units
from zoned.config.kinds import Kind
from zoned.core.records import DependencyPolicy
from zoned.core.settings import ABLATIONS, NodeSettings

GOSSIP_PORT, PEER_PORT, HTTP_PORT, RESP_PORT = 7946, 7947, 7980, 7982
LOOPBACK = "127.0.0.1"
RUN_DIR = Path("/run/zoned")
STATE_DIR = Path("/var/lib/zoned")

STAGE_DEFAULTS: dict[str, Any] = {
    field.name: field.default_factory()
    for field in dataclasses.fields(NodeSettings)
    if field.default_factory is not dataclasses.MISSING
}
NODE_DEFAULTS = {field.name: field.default for field in dataclasses.fields(NodeSettings)}
POLICY = DependencyPolicy(name="-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one section. ``stage`` and ``field`` say which of the core's settings it is."""

    section: str
    name: str
    kind: Kind
    about: str
    default: Any = None
    absent: str = ""
    """How an unset key without a default reads: ``the host's name``."""
    required: bool = False
    stage: str = ""
    field: str = ""
    flag: str = ""
    profiled: bool = False
    """The default is the profile's (``gossip.profile``); ``default`` is what it is in ``lan``."""

    @property
    def path(self) -> str:
        """``ring.replicas``."""
        return f"{self.section}.{self.name}"

    def hint(self) -> str:
        """What to write instead: the default where there is one, else an example."""
        if self.default is None or self.default == ():
            return f"example {self.kind.example}"
        return f"default {self.kind.render(self.default)}"


def _key(section: str, name: str, kind: Kind, about: str, **more: Any) -> Key:
    return Key(section=section, name=name, kind=kind, about=about, **more)


def _of(stage: str, field: str, section: str, name: str, kind: Kind, about: str, **more: Any) -> Key:
    """A key that sets a field of a stage's settings; the default is the field's."""
    default = getattr(STAGE_DEFAULTS[stage], field)
    return _key(section, name, kind, about, stage=stage, field=field, default=default, **more)


def _policy(field: str, name: str, kind: Kind, about: str, **more: Any) -> Key:
    default = getattr(POLICY, field)
    return _key("dependency", name, kind, about, field=field, default=default, **more)


def default_node() -> str:
    """The host's name, made fit for a member's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-._")[:128] or "node"


def default_data_dir(env: Mapping[str, str]) -> Path:
    """systemd's state directory, else the system's if we may write there, else the user's own."""
    given = env.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if os.access(STATE_DIR if STATE_DIR.exists() else STATE_DIR.parent, os.W_OK):
        return STATE_DIR
    return Path(env.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "zoned"


def default_socket() -> Path | None:
    """``/run/zoned/zoned.sock`` where the service manager has made us that directory."""
    return RUN_DIR / "zoned.sock" if os.access(RUN_DIR, os.W_OK) else None


AGENT = (
    _key("agent", "node", kinds.name("zone-a-1"), "name of this agent, unique in the pool",
         absent="the host's name", flag="--node"),
    _key("agent", "zone", kinds.name("eu-west-1a"), "failure domain this agent stands in", required=True,
         flag="--zone"),
    _key("agent", "weight", kinds.or_auto(kinds.integer(0, 64)),
         "share of the ring; 0 holds nothing; auto: 1 a 256 MiB of the store, as a power of 2",
         absent="auto"),
    _key("agent", "data_dir", kinds.path(str(STATE_DIR)), "what survives a restart is kept here",
         absent=f"$STATE_DIRECTORY, else {STATE_DIR}, else ~/.local/state/zoned", flag="--data-dir"),
    _key("agent", "insecure", kinds.boolean(), "allow plain traffic outside loopback", default=False),
    _key("agent", "log", kinds.choice("text", "json"), "form of the log lines", default="text", flag="--log"),
    _key("agent", "seed", kinds.integer(0), "seed of every stage's chance", default=NODE_DEFAULTS["seed"]),
    _key("agent", "ablate", kinds.items(kinds.choice(*ABLATIONS), "stages: " + ", ".join(ABLATIONS)),
         "stages to switch off, to see what each is worth", default=()),
    _key("agent", "journal", kinds.path("/var/lib/zoned/day.zj"),
         "record what this agent is told in that file, for zoned replay", absent="nothing is recorded"),
    _key("agent", "journal_max", units.size(1 << 16), "recording ends when the file would grow over this",
         default=256 << 20),
    _key("agent", "season_start", units.moment(), "demo, tests: the season clock starts at this time",
         absent="season_since"),
    _key("agent", "season_since", units.moment(), "demo, tests: the moment at which it starts", absent="now"),
    _key("agent", "season_rate", kinds.number(0.0, 1e6, above=True),
         "demo, tests: the season clock runs so many times faster", default=1.0),
)  # fmt: skip

HTTP = (
    _key("http", "listen", addresses.ip_address(HTTP_PORT, any_port=True),
         "local endpoint: status, reads, commands", default=(LOOPBACK, HTTP_PORT), flag="--http"),
    _key("http", "socket", kinds.path("/run/zoned/zoned.sock"), "the same on a Unix socket; empty: none",
         absent="/run/zoned/zoned.sock where that directory is writable", flag="--socket"),
    _key("http", "allowed_hosts", kinds.items(kinds.name("zoned.example"), "host names"),
         "names accepted in Host besides localhost and what is bound", default=()),
    _key("http", "token_file", kinds.path("/etc/zoned/token"), "file with the token that commands need",
         absent="none"),
)  # fmt: skip

RESP = (
    _key("resp", "listen", addresses.ip_address(RESP_PORT, any_port=True),
         "reads for clients of the Redis protocol", default=(LOOPBACK, RESP_PORT), flag="--resp"),
    _key("resp", "password_file", kinds.path("/etc/zoned/resp.password"),
         "file with the password that clients must say (AUTH)", absent="none"),
)  # fmt: skip

PEER = (
    _key("peer", "listen", addresses.ip_address(PEER_PORT, any_port=True),
         "where other agents fetch copies from us", default=(LOOPBACK, PEER_PORT), flag="--peer"),
)  # fmt: skip

GOSSIP = (
    _key("gossip", "bind", addresses.ip_address(GOSSIP_PORT), "UDP and TCP of the membership",
         default=(LOOPBACK, GOSSIP_PORT), flag="--gossip"),
    _key("gossip", "advertise", addresses.ip_address(GOSSIP_PORT), "where others reach gossip.bind",
         absent="gossip.bind"),
    _key("gossip", "join", kinds.items(addresses.host_port(GOSSIP_PORT), "HOST:PORT"),
         "members to join the pool by", default=(), flag="--join"),
    _key("gossip", "profile", kinds.choice("lan", "wan", "local"), "memberlist's timers for that network",
         default="lan"),
    _key("gossip", "key_file", kinds.path("/etc/zoned/gossip.key"), "file with the key that seals gossip",
         absent="none: gossip goes in the clear"),
    _key("gossip", "pool", kinds.pool("prod"), "zoned agents of another pool are refused, if they say theirs",
         default=NODE_DEFAULTS["pool"]),
    _key("gossip", "label", kinds.label("shop"), "keeps pools apart; \"\": none, as Debian's serf needs",
         default=""),
    _key("gossip", "verify_incoming", kinds.boolean(), "with a key: take nothing that is in the clear",
         default=True),
    _key("gossip", "verify_outgoing", kinds.boolean(), "with a key: send nothing in the clear",
         default=True),
    *(_of("gossip", one.field, "gossip", one.name, one.kind, one.about, profiled=True)
      for one in gossip.TIMERS),
)  # fmt: skip

STORE = (
    _key("store", "backend", kinds.choice("memory"), "what holds the copies", default="memory"),
    _of("cache", "max_bytes", "store", "max_bytes", units.size(1 << 10), "room for copies"),
    _of("cache", "max_objects", "store", "max_objects", kinds.integer(1, example="100000"),
        "most copies", absent="no limit"),
    _of("cache", "eviction", "store", "eviction", kinds.choice("auto", "lru", "s3fifo", "sieve", "value"),
        "which copy goes first; auto: what would have done best, measured by shadows"),
)  # fmt: skip

FORECAST = (
    _of("forecast", "enabled", "forecast", "enabled", kinds.boolean(), "predict demand"),
    _of("forecast", "bucket_s", "forecast", "bucket", units.part_of_an_hour(), "finest count of accesses"),
    _of("forecast", "horizons_s", "forecast", "horizons",
        kinds.items(units.duration(60.0, 604800.0, "1h"), "durations from 1m to 1w, shortest first", least=1),
        "how far ahead"),
    _of("forecast", "worker_cpu_budget_s", "forecast", "worker_cpu_budget", units.duration(0.0),
        "CPU time for fitting models, per 5 minutes; 0: never fit"),
    _of("forecast", "top_k", "forecast", "top_k", kinds.integer(0), "dependencies that get a fitted model"),
)  # fmt: skip

PREFETCH = (
    _of("prefetch", "enabled", "prefetch", "enabled", kinds.boolean(),
        "fetch copies before they are asked for"),
    _of("prefetch", "bandwidth_bytes_s", "prefetch", "bandwidth", units.rate("B", "10MiB/s"),
        "most bytes fetched ahead"),
    _of("prefetch", "link_bandwidth_bytes_s", "prefetch", "link_bandwidth", units.rate("B", "2MiB/s"),
        "the same from any one agent, and from any one origin", absent="prefetch.bandwidth"),
    _of("prefetch", "origin_rate", "prefetch", "origin_rate", units.rate("fetches", "50/s"),
        "most fetches ahead that go to origins"),
    _of("prefetch", "max_queue", "prefetch", "max_queue", kinds.integer(1),
        "copies waiting to be fetched; the least valuable go"),
    _of("placement", "transfer_price_s_per_mib", "prefetch", "transfer_price", units.duration(0.0),
        "latency that moving one MiB must save"),
)  # fmt: skip

LEARNING = (
    _of("learning", "enabled", "learning", "enabled", kinds.boolean(), "learn from what prefetching brought"),
    _of("learning", "exploration", "learning", "exploration", kinds.number(0.0, 0.1),
        "share of requests spent on trying again what was stopped"),
    _of("learning", "sample_objects", "learning", "sample", kinds.integer(64, 1_000_000),
        "instances in a shadow cache; stores up to this are shadowed exactly"),
)  # fmt: skip

RING = (
    _of("ring", "replicas", "ring", "replicas", kinds.integer(1, STAGE_DEFAULTS["ring"].preference_length),
        "home zones of an instance; the same in the whole pool"),
    _of("ring", "vnodes", "ring", "vnodes", kinds.integer(1, 8192),
        "tokens per unit of weight; the same in the whole pool"),
    _of("ring", "out_after_s", "ring", "out_after", units.duration(0.0, above=True),
        "a member failed for so long loses its place"),
    _of("ring", "restart_grace_s", "ring", "restart_grace", units.duration(0.0, above=True),
        "the same for one that said it restarts"),
)  # fmt: skip

DEPENDENCY = (
    _key("dependency", "name", kinds.dependency_name(), "what services call it", required=True),
    _key("dependency", "origin", addresses.origin(), "where it comes from", required=True),
    _policy("ttl_s", "ttl", units.duration(0.0, example="5m", above=True), "how long a copy is fresh",
            absent="what the origin says, else 5m"),
    _policy("coalesce", "coalesce", kinds.choice("auto", "zone", "fabric"),
            "who shares one fetch: this zone, or all by way of the home; auto: all where duplicates pay"),
    _policy("stale_while_revalidate_s", "stale_while_revalidate", units.duration(0.0),
            "serve a copy so long past its time while a new one comes"),
    _policy("stale_if_error_s", "stale_if_error", units.duration(0.0),
            "serve a copy so long past its time while the origin fails"),
    _policy("replicas", "replicas", kinds.integer(1, STAGE_DEFAULTS["ring"].preference_length, "2"),
            "home zones", absent="ring.replicas"),
    _policy("policy", "policy", kinds.choice("auto", "lru", "replicate"),
            "auto: as it pays; lru: never fetch ahead; replicate: always in its home zones"),
    _policy("max_object_bytes", "max_object", units.size(1), "larger answers are refused"),
    _key("dependency", "headers", kinds.headers(), "sent to the origin", default=()),
    _key("dependency", "timeout", units.duration(0.0, above=True), "one attempt at the origin, whole",
         default=STAGE_DEFAULTS["flight"].origin_timeout_s),
)  # fmt: skip

KEYS = (*AGENT, *HTTP, *RESP, *PEER, *GOSSIP, *STORE, *FORECAST, *PREFETCH, *LEARNING, *RING)
BY_PATH = {key.path: key for key in KEYS}
BY_DEPENDENCY_KEY = {key.name: key for key in DEPENDENCY}
SECTIONS = (*dict.fromkeys(key.section for key in KEYS), "dependency")
