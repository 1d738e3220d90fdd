"""``[gossip]``: addresses, keys, and every timer and limit of the membership.

A profile is a set of timers that fit one another; a key of its own overrides one of them. So the default of
these keys is not one value but the profile's, and ``zoned config defaults`` shows them as comments: written
out they would pin the ``lan`` values whatever profile is chosen. What only makes sense together is checked
together (``CHECKS``), and told at the line that the operator wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoned.config import kinds, units
from zoned.config.kinds import Kind
from zoned.core.gossip import GossipSettings

MIN_ROOM_BYTES = 768
"""The largest announcement of a member: 512 bytes of tags, a name of 128, its address, and a CRC."""
SEAL_BYTES = 29
"""What encryption adds to a packet (``zoned.daemon.gossip_seal`` has the envelope)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """One field of GossipSettings as a key: its unit is the kind's, so the name ends without one."""

    field: str
    kind: Kind
    about: str

    @property
    def name(self) -> str:
        """``probe_interval`` for ``probe_interval_s``."""
        return self.field.removesuffix("_s")


def _seconds(field: str, about: str, most: float | None = None, zero: bool = False) -> Timer:
    return Timer(field=field, kind=units.duration(0.0, most, "1s", above=not zero), about=about)


def _count(field: str, low: int, high: int, about: str) -> Timer:
    return Timer(field=field, kind=kinds.integer(low, high), about=about)


def _bytes(field: str, low: int, high: int, about: str) -> Timer:
    return Timer(field=field, kind=units.size(low, "64KiB", high=high), about=about)


TIMERS = (
    _seconds("probe_interval_s", "one member is probed so often, in turn; shorter finds crashes sooner"),
    _seconds("probe_timeout_s", "wait for a direct answer before others are asked to try"),
    _count("indirect_checks", 0, 16, "how many others are asked to; 0 trusts one path alone"),
    Timer(field="tcp_fallback", kind=kinds.boolean(), about="also try by TCP before suspecting anyone"),
    _count("suspicion_mult", 1, 64, "least suspicion: this x max(1, log10 members) x probe_interval"),
    _count("suspicion_max_mult", 1, 64, "a suspicion that nobody confirms lasts so many times the least"),
    _count("awareness_max", 1, 64, "an unwell agent probes up to so many times slower; 1: never"),
    _seconds("loop_lag_limit_s", "an agent that runs later than this counts as unwell"),
    _seconds("gossip_interval_s", "rumours go out so often while there are any"),
    _count("gossip_nodes", 1, 64, "to so many members each time"),
    _count("retransmit_mult", 1, 64, "each rumour is sent this x log10 members times"),
    _seconds("push_pull_interval_s", "whole tables are exchanged with one member so often"),
    _seconds("stream_timeout_s", "deadline of one exchange by TCP"),
    _seconds("dead_gossip_s", "members dead for less are still told, so that they can refute", zero=True),
    _seconds("reclaim_s", "a failed member's name may move to another address after this", zero=True),
    _seconds("forget_after_s", "failed and left members are shown, and failed ones re-dialled, so long"),
    _seconds("dial_fast_s", "the whole pool calls each lost member so often while the loss is fresh"),
    _seconds("dial_fast_for_s", "how long a loss is fresh", zero=True),
    _seconds("dial_slow_s", "after that each member calls one of the lost so often"),
    _seconds("dial_timeout_s", "deadline of one such call"),
    _seconds("leave_intent_s", "between saying that we leave and leaving", 60.0, zero=True),
    _seconds("leave_linger_s", "probes are answered so long after leaving", 60.0, zero=True),
    _bytes("packet_bytes", 1024, 65000, "largest datagram; keep it below the path's MTU"),
    Timer(field="compress_packets", kind=kinds.boolean(), about="LZW for packets of rumours, too"),
    _bytes("compress_streams_below_bytes", 0, 20 << 20, "table exchanges up to this are compressed; 0: none"),
    _count("queue_limit", 16, 1 << 20, "rumours kept; the most told goes first"),
    _count("member_limit", 3, 65536, "members known; newcomers beyond are ignored and counted"),
    _count("call_limit", 1, 65536, "streams of ours open at a time"),
    _count("relay_limit", 0, 65536, "probes done for others at a time"),
    _count("intent_limit", 1, 65536, "news of members not known yet, and events, remembered"),
    _seconds("intent_keep_s", "how long such news waits for its member", zero=True),
    _seconds("reconcile_interval_s", "what is known is compared with one other agent so often"),
    _count("reconcile_fanout", 1, 64, "news is pushed to so many agents, in pools above eager_peers"),
    _count("eager_peers", 0, 65536, "up to so many other agents all get our news at once"),
    _count("greeters", 1, 64, "about so many agents tell a newcomer what they know"),
    _count("holdings_flush_count", 1, 65536, "so many changes of our cache are told in one message"),
    _seconds("holdings_flush_s", "and wait at most so long for one another"),
    _count("holdings_log", 1, 65536, "such messages kept for agents that missed some"),
    _count("relay_log", 1, 65536, "the same, of each other agent"),
    _count("holdings_limit", 1024, 1 << 28, "copies of one agent that we keep track of"),
    _count("snapshot_chunk", 1024, 1 << 20, "copies told in one answer to an agent that starts"),
    _count("snapshot_calls", 1, 1024, "agents whose whole cache list is asked for at a time"),
    _count("counts_per_flush", 0, 4096, "counts of instances told at once, 5 bytes each; 0: none"),
    _seconds("counts_interval_s", "and at most so often"),
    _count("counts_limit", 256, 1 << 20, "such counts remembered"),
    _seconds("summary_interval_s", "load and demand are told at most so often"),
    _seconds("summary_refresh_s", "and repeated so often without news"),
    _bytes("summary_limit_bytes", 4096, 16 << 20, "largest such message, unpacked"),
    _count("facts_limit", 16, 1 << 20, "drains, pauses, invalidations kept of each kind"),
)
"""Left out: ``seal_bytes``, which follows from keys and label; ``counts_half_life_s``, which follows from the
forecast's; and ``digests``, which is an ablation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``lesser`` x ``times`` may not be more than ``greater`` x ``by``; the latter is a field, too."""

    lesser: str
    greater: str
    why: str
    times: float = 1.0
    by: str = ""


CHECKS = (
    Check(lesser="probe_timeout", greater="probe_interval", why="or nobody else would be asked in time"),
    Check(lesser="gossip_interval", greater="probe_interval", times=2.0, by="suspicion_mult",
          why="an accusation and its refutation must travel before the verdict"),
    Check(lesser="stream_timeout", greater="push_pull_interval", why="or exchanges would pile up"),
    Check(lesser="dial_fast", greater="dial_slow", why="fresh losses are called more often"),
    Check(lesser="dead_gossip", greater="forget_after", why="the forgotten are not told"),
    Check(lesser="reclaim", greater="forget_after", why="a name that is forgotten is free"),
    Check(lesser="summary_interval", greater="summary_refresh", why="repeats come after news"),
    Check(lesser="relay_log", greater="holdings_log", why="nobody can pass on what its agent has dropped"),
)  # fmt: skip


def check(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(keys that are wrong together, what was expected and got, why), for whole and valid values."""

    def of(name: str) -> Any:
        return values[f"gossip.{name}"]

    for rule in CHECKS:
        most = of(rule.greater) * (of(rule.by) if rule.by else 1)
        if rule.times * of(rule.lesser) <= most:
            continue
        names = (rule.lesser, rule.greater, *((rule.by,) if rule.by else ()))
        factor = f" x gossip.{rule.by}" if rule.by else ""
        twice = f"{rule.times:g} x " if rule.times != 1.0 else ""
        bound = f"gossip.{rule.greater}{factor} = {_shown(rule.greater, most)}"
        given = _shown(rule.lesser, of(rule.lesser))
        yield names, f"expected {twice}gossip.{rule.lesser} at most {bound}, got {given}", rule.why
    label = len(of("label").encode())
    added = (SEAL_BYTES if of("key_file") is not None else 0) + (label + 2 if label else 0)
    if of("packet_bytes") - added < MIN_ROOM_BYTES:
        what = (
            f"expected at least {MIN_ROOM_BYTES + added}B with this label and key, got {of('packet_bytes')}B"
        )
        yield ("packet_bytes", "label"), what, "a member's tags must fit into a packet"


_KINDS = {timer.name: timer.kind for timer in TIMERS}


def _shown(name: str, value: Any) -> str:
    return _KINDS[name].render(value).strip('"')


def profile_values(profile: str) -> dict[str, Any]:
    """The timers of that profile, by key."""
    settings = GossipSettings.profile(profile)
    return {timer.name: getattr(settings, timer.field) for timer in TIMERS}
