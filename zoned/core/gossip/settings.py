"""Every timer and limit of gossip, with memberlist's presets ``lan``, ``wan`` and ``local``.

Serf's agent offers three profiles and no single timer (serf issue 578); here each timer is a field and a key
of the file, and ``detection.py`` says what a choice means in seconds until a crash is known. Nothing in the
stage ticks faster than its field: a replay that sets hours gets an idle stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipSettings:
    """Settings of the gossip stage; the defaults are the ``lan`` profile."""

    probe_interval_s: float = 1.0
    """One member is probed so often, round robin. Range > 0. Shorter: faster detection, more packets."""
    probe_timeout_s: float = 0.5
    """Wait for a direct ack before asking others to ping too. Keep above the slowest usual round trip."""
    indirect_checks: int = 3
    """How many others are asked to ping a member that did not answer. 0 trusts one path alone."""
    tcp_fallback: bool = True
    """Also ping by TCP before suspecting: networks that lose UDP are common (consul issue 19965)."""
    suspicion_mult: int = 4
    """Least suspicion = this x max(1, log10 n) x probe_interval_s; confirmations wanted = this - 2."""
    suspicion_max_mult: int = 6
    """Suspicion without a confirmation lasts this many times the least one (Lifeguard)."""
    awareness_max: int = 8
    """Local health runs 0 .. this - 1; probing slows down by (health + 1). 1 switches that off."""
    loop_lag_limit_s: float = 0.25
    """Event-loop lag above this worsens local health by one: a busy agent must not accuse others."""
    gossip_interval_s: float = 0.2
    """Queued rumours go out so often (and ride on probes). No timer runs while nothing is queued."""
    gossip_nodes: int = 3
    """To how many random members each time."""
    retransmit_mult: int = 4
    """A rumour is sent this x ceil(log10(n + 1)) times. Lower: cheaper; some hear it by push/pull only."""
    push_pull_interval_s: float = 30.0
    """Whole tables are exchanged with one random member so often (scaled up beyond 32 members)."""
    stream_timeout_s: float = 10.0
    """Deadline of one exchange by TCP."""
    dead_gossip_s: float = 30.0
    """Rumours are also sent to members dead for less than this, so that they can refute."""
    reclaim_s: float = 30.0
    """A failed member's name may move to a new address after this. Members that left: at once."""
    forget_after_s: float = 86400.0
    """Failed and left members stay visible, and failed ones re-dialled, for so long."""
    dial_fast_s: float = 1.0
    """The pool as a whole re-dials each lost member so often in the first ``dial_fast_for_s``."""
    dial_slow_s: float = 30.0
    """After that each member calls one of the lost so often, for ever for seeds: what heals partitions of any
    length."""
    dial_timeout_s: float = 3.0
    """Deadline of one such call: an address is not called again before, so a heal may wait this long."""
    dial_fast_for_s: float = 600.0
    """How long a loss counts as fresh."""
    leave_intent_s: float = 0.3
    """Between saying that we are going to leave and leaving, so that the intent arrives first."""
    leave_linger_s: float = 1.0
    """After leaving we answer probes for so long, or others would take us for failed."""
    packet_bytes: int = 1400
    """Largest datagram. Range 512..65000; above the path's MTU packets are fragmented and lost together."""
    seal_bytes: int = 0
    """What the world adds to each packet below us: 29 when sealed, 2 + its length for a label."""
    compress_packets: bool = False
    """LZW for packets of rumours too. Off: it saves little there and costs Python 0.3 ms a packet."""
    compress_streams_below_bytes: int = 65536
    """Push/pulls up to this size are LZW-compressed, to a third or less, at about 0.2 ms a KiB. 0: never."""
    queue_limit: int = 4096
    """Rumours kept; the most-sent goes first when full."""
    member_limit: int = 4096
    """Members known; newcomers beyond it are ignored and counted."""
    call_limit: int = 256
    """Streams of ours open at a time."""
    relay_limit: int = 256
    """Indirect pings that we do for others at a time."""
    intent_limit: int = 1024
    """Join and leave intents buffered for members not known yet, and events and queries remembered."""
    intent_keep_s: float = 300.0
    """How long such intents wait for their member."""
    reconcile_interval_s: float = 2.0
    """Anti-entropy: our root hash goes to one random zoned agent so often."""
    reconcile_fanout: int = 3
    """To how many random agents news is pushed in pools with more than ``eager_peers`` of them."""
    eager_peers: int = 32
    """Up to this many other agents, every change of ours is pushed to all of them. What is pushed to a few
    goes on by comparing versions, which takes rounds of ``reconcile_interval_s``: cheaper, but later."""
    greeters: int = 8
    """About so many agents greet a newcomer with what they know."""
    digests: bool = True
    """Publish what our cache holds. False: other zones do not know our copies (ablation)."""
    holdings_flush_count: int = 32
    """So many changes of our cache make one flush. Higher: cheaper, staler directory."""
    holdings_flush_s: float = 1.0
    """Changes wait at most so long for company."""
    holdings_log: int = 512
    """Flushes kept per agent for those who missed some; further behind takes a snapshot."""
    relay_log: int = 64
    """Flushes of each *other* agent kept to pass on to those who missed them."""
    holdings_limit: int = 4_000_000
    """Fingerprints of one agent accepted in a snapshot (4 bytes each on the wire)."""
    snapshot_chunk: int = 65536
    """Fingerprints in one answer of a snapshot: 256 KiB, a few milliseconds of work."""
    snapshot_calls: int = 8
    """Agents whose snapshot we take at a time: a newcomer to a pool of 300 wants one of each."""
    counts_per_flush: int = 200
    """Decayed counts of our instances told at once, five bytes each. 0: none (other zones do not know our
    demand). Budget: 5 x this x ``eager_peers`` / ``counts_interval_s`` bytes/s at most, when busy."""
    counts_interval_s: float = 10.0
    """They are told at most so often, and only while they change."""
    counts_limit: int = 8192
    """Counts remembered as told, and waiting to be. Beyond it the smallest changes are dropped."""
    counts_half_life_s: float = 3600.0
    """How they decay, on the season clock: follows from ``forecast.recent_half_life_s``."""
    summary_interval_s: float = 5.0
    """Summaries go out at most so often, except when the ring id or the drain state changed."""
    summary_refresh_s: float = 30.0
    """A summary that says nothing new is repeated only so often."""
    summary_limit_bytes: int = 262144
    """Largest summary, before compression."""
    facts_limit: int = 1024
    """Facts kept of each kind: the newest (clock, origin) ones, a rule that all agents share."""

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            assert value > 0, f"gossip.{name} must be > 0, got {value}"
        assert 512 <= self.packet_bytes <= 65000, "gossip.packet_bytes must be 512..65000"
        assert 0 <= self.seal_bytes <= 286, "gossip.seal_bytes must be 0..286 (29, and a label of 255)"
        assert self.probe_timeout_s <= self.probe_interval_s, "gossip.probe_timeout_s > probe_interval_s"

    @classmethod
    def profile(cls, name: str) -> GossipSettings:
        """The preset of that name (``lan | wan | local``); KeyError for any other."""
        return replace(cls(), **_PROFILES[name])

    @property
    def room_bytes(self) -> int:
        """Largest packet of ours: what is left of ``packet_bytes`` once it is sealed and labelled."""
        return self.packet_bytes - self.seal_bytes

    def staleness_s(self, members: int) -> float:
        """What an agent tells, all others know within so many seconds, in a pool of that size that loses up
        to 5 % of its packets; and so long at most what they know goes unconfirmed (``Swim.ages``).

        Four comparisons may fail in a row (each has five packets to lose) before one repairs what was lost;
        where news is pushed to a few only, it doubles its knowers with each round of comparing before."""
        rounds = 5
        if members - 1 > self.eager_peers:
            rounds += math.ceil(math.log2(members / self.reconcile_fanout))
        return self.holdings_flush_s + rounds * self.reconcile_interval_s


_POSITIVE = (
    "probe_interval_s",
    "probe_timeout_s",
    "suspicion_mult",
    "suspicion_max_mult",
    "awareness_max",
    "gossip_interval_s",
    "gossip_nodes",
    "retransmit_mult",
    "push_pull_interval_s",
    "stream_timeout_s",
    "dial_fast_s",
    "dial_timeout_s",
    "dial_slow_s",
    "reconcile_interval_s",
    "holdings_flush_s",
    "holdings_flush_count",
    "holdings_log",
    "relay_log",
    "snapshot_chunk",
    "snapshot_calls",
    "counts_interval_s",
    "counts_limit",
    "counts_half_life_s",
    "facts_limit",
    "queue_limit",
    "member_limit",
    "call_limit",
)

_PROFILES: dict[str, dict[str, Any]] = {
    "lan": {},
    "wan": {
        "probe_interval_s": 5.0,
        "probe_timeout_s": 3.0,
        "suspicion_mult": 6,
        "push_pull_interval_s": 60.0,
        "gossip_interval_s": 0.5,
        "gossip_nodes": 4,
        "stream_timeout_s": 30.0,
        "dead_gossip_s": 60.0,
        "dial_timeout_s": 10.0,
        "leave_intent_s": 1.0,
        "leave_linger_s": 3.0,
        "loop_lag_limit_s": 1.0,
        "reconcile_interval_s": 5.0,
    },
    "local": {
        "probe_timeout_s": 0.2,
        "indirect_checks": 1,
        "retransmit_mult": 2,
        "suspicion_mult": 3,
        "push_pull_interval_s": 15.0,
        "gossip_interval_s": 0.1,
        "stream_timeout_s": 1.0,
        "dead_gossip_s": 15.0,
        "dial_timeout_s": 1.0,
        "leave_intent_s": 0.2,
        "leave_linger_s": 0.5,
        "reconcile_interval_s": 1.0,
        "holdings_flush_s": 0.2,
        "summary_interval_s": 1.0,
    },
}
