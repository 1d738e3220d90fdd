"""The page: sections in reading order, each a small function of the snapshot.

It answers, from the top: is this agent well, does it pay, who is in the pool and do we agree, what is
expected, what is being done about it and why. It reloads itself (``<meta refresh>``) and works without
JavaScript.
"""

from __future__ import annotations

from zoned.core.members import Member
from zoned.core.names import InstanceKey
from zoned.core.records import LedgerLine, PlanLine, Want
from zoned.core.snapshot import RingMemberView, Snapshot
from zoned.status import shapes
from zoned.status.dashboard.markup import Markup, percent, size, span, table, tag, text
from zoned.status.dashboard.ring_picture import hues, ring_picture, swatch
from zoned.status.dashboard.style import STYLE

REFRESH_S = 5
SHOWN = 50


def page(snapshot: Snapshot, version: str, ready: bool) -> str:
    """The whole document."""
    body = [
        _head(snapshot, version, ready),
        _ledger(snapshot),
        _ring(snapshot),
        _members(snapshot),
        _dependencies(snapshot),
        _queue(snapshot),
        _learning(snapshot),
    ]
    title = f"zoned {snapshot.node} ({snapshot.zone})"
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="refresh" content="{REFRESH_S}">'),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def _section(title: str, *inside: object) -> Markup:
    return tag("section", tag("h2", title), *inside)


def _head(snapshot: Snapshot, version: str, ready: bool) -> Markup:
    up_s = snapshot.made.mono_s - snapshot.started.mono_s
    badges = [tag("b", "ready" if ready else "not ready", class_="good" if ready else "bad")]
    if snapshot.leaving:
        badges.append(tag("b", "leaving", class_="bad"))
    if snapshot.paused:
        badges.append(tag("b", "paused", class_="bad"))
    for zone in snapshot.draining:
        done = zone == snapshot.zone and snapshot.drained
        badges.append(tag("b", f"{zone} {'drained' if done else 'draining'}", class_="bad"))
    now = shapes.time_text(snapshot.made.wall_s)
    facts = f"zone {snapshot.zone} · version {version} · up {span(up_s)} · {now}"
    cache = snapshot.cache
    limit = "" if cache.max_bytes is None else f" of {size(cache.max_bytes)}"
    warm = (
        f"{cache.objects} copies, {size(cache.used_bytes)}{limit}, {cache.eviction} · "
        f"warm {percent(snapshot.warm_ratio)} · {snapshot.flights} fetches under way"
    )
    return tag("header", tag("h1", snapshot.node, *badges), tag("p", facts), tag("p", warm))


def _ledger(snapshot: Snapshot) -> Markup:
    heads = (
        "dependency", "requests", "hits", "with other zones", "LRU would hit", "misses avoided", "latency ms",
        "LRU latency ms",
        "origin", "LRU origin", "from peers", "prefetched", "of them used", "bytes",
    )  # fmt: skip
    rows = [_ledger_row(line) for line in snapshot.ledger[: SHOWN + 1] if line.requests]
    note = (
        "Hits: from this zone's store; with other zones: also what a copy elsewhere answered. "
        "LRU: an exact LRU of the same size on the same reads, priced with the same measured latencies."
    )
    return _section("Does it pay", table(heads, rows, "No reads yet."), tag("p", note, class_="note"))


def _ledger_row(line: LedgerLine) -> tuple[object, ...]:
    told = shapes.ledger_line(line)
    return (
        line.dependency or tag("b", "all"),
        line.requests,
        percent(told["hit_ratio"]),
        percent(told["fabric_hit_ratio"]),
        percent(line.lru_hit_ratio),
        round(told["misses_avoided"]),
        round(told["mean_latency_ms"], 2),
        round(told["lru_mean_latency_ms"], 2),
        line.origin_fetches,
        round(line.lru_origin_fetches),
        line.peer_transfers,
        line.prefetched,
        line.prefetch_used,
        size(line.prefetched_bytes),
    )


def _ring(snapshot: Snapshot) -> Markup:
    ring = snapshot.ring
    colours = hues(ring)
    rows = [
        (m.node, swatch(m.zone, colours), m.weight, _ring_state(m), percent(m.owned_ratio))
        for m in ring.members
    ]
    banner = Markup("")
    if ring.disagreeing:
        others = ", ".join(
            f"{d.node} has {d.ring_id} since {shapes.time_text(d.since_wall_s)}" for d in ring.disagreeing
        )
        banner = tag("p", f"Rings differ: {others}", class_="banner")
    members = table(("node", "zone", "weight", "state", "owns"), rows, "No placement members.")
    return _section("Ring", banner, tag("div", ring_picture(ring), members, class_="side"))


def _ring_state(member: RingMemberView) -> str:
    state = shapes.ring_state(member)
    return f"{state}, {percent(member.flipped_ratio)} taken over" if state == shapes.WARMING else state


def _members(snapshot: Snapshot) -> Markup:
    heads = ("node", "zone", "role", "state", "since", "round trip", "copies known", "gossip", "peer")
    rows = [_member_row(snapshot, member) for member in snapshot.members]
    return _section("Members", table(heads, rows, "Nobody."))


def _member_row(snapshot: Snapshot, member: Member) -> tuple[object, ...]:
    rtt = "" if member.rtt_s is None else f"{1000 * member.rtt_s:.1f} ms"
    since_s = snapshot.made.wall_s - member.since_wall_s
    known = snapshot.cache.directory.get(member.node, "")
    return (
        tag("b", member.node) if member.node == snapshot.node else member.node,
        member.zone,
        member.role,
        tag("span", member.state.value, class_=member.state.value),
        f"{span(since_s)} ago",
        rtt,
        snapshot.cache.objects if member.node == snapshot.node else known,
        shapes.address_text(member.gossip) or "",
        shapes.address_text(member.peer) or "",
    )


def _dependencies(snapshot: Snapshot) -> Markup:
    horizons: dict[str, list[str]] = {}
    for line in () if snapshot.forecast is None else snapshot.forecast.dependencies:
        low, _, high = line.quantiles
        error = "" if line.error is None else f", error {line.error:.2f}"
        horizons.setdefault(line.dependency, []).append(
            f"{span(line.horizon_s)}: {line.mean:.0f} ({low:.0f} to {high:.0f}), {line.model}{error}"
        )
    rows = []
    for one in sorted(snapshot.dependencies, key=lambda d: -d.accesses)[:SHOWN]:
        told = shapes.dependency(one)
        sources = ", ".join(f"{name} {count}" for name, count in told["by_source"].items() if count)
        expected = tag("span", " · ".join(horizons.get(one.dependency, [])) or "not known yet")
        rows.append((one.dependency, one.accesses, percent(told["hit_ratio"]), sources, expected))
    heads = ("dependency", "accesses", "hits", "answered from", "expected here (10 to 90 %)")
    return _section("Dependencies", table(heads, rows, "Nothing was used yet."))


def _queue(snapshot: Snapshot) -> Markup:
    heads = ("instance", "why", "from", "bytes", "value s/MiB")
    waiting = table(heads, [_want_row(one) for one in snapshot.queue[:SHOWN]], "Nothing waits.")
    plan = snapshot.plan
    placed = table(
        ("dependency", "replicas", "shards", "sets of homes", "why"),
        _placement(() if plan is None else plan.lines),
        "No placement yet.",
    )
    wanted = 0 if plan is None else len(plan.wants)
    title = f"Prefetch: {len(snapshot.queue)} waiting, {wanted} wanted"
    return _section(title, waiting, tag("h3", "Placement"), placed)


def _placement(lines: tuple[PlanLine, ...]) -> list[tuple[object, ...]]:
    """Lines that differ only in their zones as one; /v1/plan has them all."""
    merged: dict[tuple[str, int, str], list[int]] = {}
    for line in lines:
        merged.setdefault((line.dependency, line.replicas, line.reason), []).append(line.shards)
    return [(name, n, sum(shards), len(shards), why) for (name, n, why), shards in merged.items()]


def _want_row(one: Want) -> tuple[object, ...]:
    return (_instance(one.key), one.reason.value, one.source or "nearest", one.size, round(one.value, 4))


def _instance(key: InstanceKey) -> Markup:
    whole = key.text()
    return tag("code", whole if len(whole) <= 80 else whole[:77] + "…")


def _learning(snapshot: Snapshot) -> Markup:
    arms = table(
        ("eviction", "sampled", "would hit", "weight", ""),
        [
            (
                arm.arm,
                arm.requests,
                percent(arm.hit_ratio),
                round(arm.weight, 3),
                f"in use: {arm.why}" if arm.played else arm.why,
            )
            for arm in snapshot.arms
        ],
        "Not learning.",
    )
    chosen = table(
        ("dependency", "eviction", "why"),
        [(line.dependency, line.eviction, line.why) for line in snapshot.ledger[1 : SHOWN + 1]],
        "Nothing was used yet.",
    )
    outcomes = table(
        ("dependency", "why", "fetched", "used", "wasted"),
        [
            (o.dependency, o.reason.value, round(o.fetched, 1), round(o.used, 1), round(o.wasted, 1))
            for o in snapshot.outcomes[:SHOWN]
        ],
        "No prefetches yet.",
    )
    prices = ", ".join(f"{text(s.value)} {1000 * p:.2f} ms" for s, p in snapshot.prices_s.items())
    return _section("Learning", arms, chosen, outcomes, tag("p", f"Measured means: {prices}", class_="note"))
