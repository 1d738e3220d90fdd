"""``zoned replay --report out.html``: the result as one page that can be mailed to whoever decides.

From the top: what was replayed, the answer in one sentence (also when it is "nothing can be gained here"),
the two curves over time, the policies side by side, savings by dependency, what it costs, how it was run.
One file, no script, nothing from elsewhere; it looks right in light and dark and on paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from zoned.simulation.plot import Bar, Series, bar_plot, line_plot
from zoned.simulation.recording import agreement
from zoned.simulation.replay import CEILING, FLOOR, Replay
from zoned.simulation.results import Mark, PolicyResult
from zoned.simulation.tolls import MoveResult, Prepared
from zoned.simulation.trace import Trace
from zoned.status.dashboard.markup import Figure, Markup, percent, span, table, tag
from zoned.status.dashboard.style import STYLE

ZONED = "zoned"
_COLOURS = {
    "lru": "#888", "sieve": "#b26a00", "s3fifo": "#7b5ea7", "peer": "#2a6fb0", "zoned": "#1d8a4b",
    "oracle": "#b3261e", "recorded": "#c2407f",
}  # fmt: skip
_MEANS = {
    "recorded": "what the real agents had, as their journal tells",
    "lru": "each zone alone, least recently used goes first: what most caches do",
    "sieve": "each zone alone, SIEVE",
    "s3fifo": "each zone alone, S3-FIFO",
    "peer": "S3-FIFO, and any zone that holds a copy serves the others, known at once",
    "zoned": "the agents as they would run, with what they learn late and sometimes wrongly",
    "oracle": "knows what the next window will ask for: nobody can do much better",
}
_LITTLE = 0.01  # of LRU's mean latency: less is not worth a new daemon
_SHOWN_ZONES = 12
_SHOWN_BARS = 20
_STRETCHES = 40  # points of a curve
_STYLE = """
.plot { width: 100%; max-width: 60rem; min-width: 36rem; }
h1 { overflow-wrap: anywhere; } .plot path { fill: none; } .plot .grid { stroke: var(--line); }
.plot text { fill: currentColor; font-size: 11px; } .plot .y { text-anchor: end; }
.verdict { font-size: 1.15rem; } .key span { margin-right: 1.2rem; white-space: nowrap; }
"""


def page(finished: Replay, moved: Sequence[MoveResult], version: str) -> str:
    """The whole document."""
    trace = finished.trace
    body = [
        tag("header", tag("h1", f"What zoned would gain: {trace.name}"), *_heading(finished)),
        tag("p", *verdict(finished), class_="verdict"),
        _section("Over time", *_plots(finished)),
        _section("Side by side", _policies(finished), _meanings(finished)),
        *_agreement(finished),
        _section("By dependency", *_dependencies(finished)),
        _section("What it costs", *_costs(finished)),
        *(_section(f"Moving traffic: {one.move.kind.value} {one.move.zone}", *_move(one)) for one in moved),
        tag("p", f"zoned {version}, seed {finished.options.seed}. {_rules(finished)}", class_="note"),
    ]
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", f"zoned replay: {trace.name}"),
        tag("style", Markup(STYLE + _STYLE)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def verdict(finished: Replay) -> list[str]:
    """The answer in a sentence or two, also where it is no."""
    zoned, lru = finished.results.get(ZONED), finished.results.get(FLOOR)
    if zoned is None or lru is None or not lru.mean_latency_ms:
        return ["zoned and a plain LRU were not both among the policies, so there is no verdict."]
    gained = 1 - zoned.mean_latency_ms / lru.mean_latency_ms
    ceiling = finished.results.get(CEILING)
    possible = None if ceiling is None else 1 - ceiling.mean_latency_ms / lru.mean_latency_ms
    if gained < -_LITTLE / 2:
        return [
            "On this log zoned costs more than it gains: the mean latency rises from"
            f" {lru.mean_latency_ms:.1f} to {zoned.mean_latency_ms:.1f} ms ({percent(-gained)} more)."
        ]
    if gained < _LITTLE:
        why = (
            f" Not even a clairvoyant could save more than {percent(max(0.0, possible))}."
            if possible is not None and possible < 5 * _LITTLE
            else " zoned leaves such traffic alone."
        )
        return [
            f"On this log there is nothing to gain: the mean latency changes by {percent(-gained)}.",
            why,
        ]
    said = [
        f"The mean latency falls from {lru.mean_latency_ms:.1f} to {zoned.mean_latency_ms:.1f} ms"
        f" ({percent(gained)} less), with {_change(zoned.origin_fetches, lru.origin_fetches)} fetches from"
        f" the origins and {_change(zoned.transfers, lru.transfers)} copies moved in all."
    ]
    gap = finished.gap_closed().get(ZONED)
    if gap is not None:
        said.append(f" That is {percent(gap)} of what a clairvoyant would gain.")
    return said


def zones_text(trace: Trace) -> str:
    """``3 zones (ap, eu, us)``."""
    names = sorted(trace.zone_names)
    more = f" and {len(names) - _SHOWN_ZONES} others" if len(names) > _SHOWN_ZONES else ""
    count = "1 zone" if len(names) == 1 else f"{len(names)} zones"
    return f"{count} ({', '.join(names[:_SHOWN_ZONES])}{more})"


def _section(title: str, *inside: object) -> Markup:
    return tag("section", tag("h2", title), *inside)


def _change(now: float, before: float) -> str:
    """``38.1 % fewer`` or ``2.0 % more``."""
    share = now / before - 1 if before else 0.0
    return f"{percent(abs(share))} {'fewer' if share <= 0 else 'more'}"


def _heading(finished: Replay) -> list[Markup]:
    trace, options = finished.trace, finished.options
    unit = "bytes" if options.by_bytes else "objects"
    lines = [
        f"{len(trace):,} requests for {len(trace.instances):,} objects in {zones_text(trace)},"
        f" {_day(trace.ts[0])} to {_day(trace.ts[-1])}",
        f"Cache of {finished.capacity:,} {unit} a zone ({percent(finished.share)} of all). A local hit takes"
        f" {round(options.hit_s * 1e3, 2):g} ms, another zone {round(options.rtt_s * 1e3, 2):g} more,"
        f" the origin {round(options.origin_s * 1e3, 2):g} more.",
    ]
    if trace.skipped > trace.meaningless:
        other = trace.skipped - trace.meaningless
        lines.append(f"{other:,} lines of the log were no cacheable reads and are left out.")
    lines += [f"{note}." for note in trace.notes]
    return [tag("p", line) for line in lines]


def _rules(finished: Replay) -> str:
    options = finished.options
    without = f" zoned ran without {', '.join(options.ablate)}." if options.ablate else ""
    zoned = finished.results.get(ZONED)
    slower = ", with timers slower than in life" if zoned is not None and "paces_s" in zoned.details else ""
    own = "".join(f" {note}." for note in options.own.notes)
    first = f"The first {options.warmup:.0%} of the requests fill the caches and are not measured. "
    return (
        f"{first if options.warmup else ''}The agents' real code ran in virtual time{slower}.{without}{own}"
    )


def _day(ts: float) -> str:
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M")


def _plots(finished: Replay) -> list[Markup]:
    """Hit ratio and mean latency between the marks, by the time of the requests."""
    trace, first = finished.trace, finished.trace.warm_from(finished.options.warmup)
    long = trace.ts[-1] - trace.ts[0] > 10 * 86400
    names = [name for name, result in finished.results.items() if result.timeline]
    hits, waits = {}, {}
    for name in names:
        steps = _steps(finished.results[name].timeline)
        times = [trace.ts[min(first + mark, len(trace) - 1)] for mark, _, _ in steps]
        hits[name] = [(at, 100 * ratio) for at, (_, ratio, _) in zip(times, steps, strict=True)]
        waits[name] = [(at, mean) for at, (_, _, mean) in zip(times, steps, strict=True)]

    def when(ts: float) -> str:
        return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d" if long else "%d %b %H:%M")

    key = [tag("span", tag("i", style=f"background:{_colour(name)}"), name) for name in names]
    return [
        tag("p", *key, class_="key"),
        tag("h3", "Local hits, % of the requests"),
        line_plot(_series(hits), when, lambda y: f"{y:g}"),
        tag("h3", "Mean latency, ms"),
        line_plot(_series(waits), when, lambda y: f"{y:g}"),
    ]


def _steps(timeline: Sequence[Mark]) -> list[tuple[int, float, float]]:
    """(request in the middle, hit ratio, mean latency in ms) of stretches between marks: some forty, so
    that each is long enough to mean something; a shorter rest at the end is left out."""
    steps = []
    before = Mark(0, 0, 0.0)
    least = max(1, timeline[-1].requests // _STRETCHES)
    for mark in timeline:
        count = mark.requests - before.requests
        if count >= least:
            hits, waited = mark.hits - before.hits, mark.waited_s - before.waited_s
            steps.append((before.requests + count // 2, hits / count, 1e3 * waited / count))
            before = mark
    return steps


def _colour(name: str) -> str:
    return _COLOURS.get(name, "#555")


def _series(lines: Mapping[str, Sequence[tuple[float, float]]]) -> list[Series]:
    return [Series(name, _colour(name), points, name == ZONED) for name, points in lines.items()]


def _policies(finished: Replay) -> Markup:
    gaps = finished.gap_closed()

    def row(name: str, result: PolicyResult) -> tuple[object, ...]:
        gap = gaps.get(name)
        return (
            tag("b", name) if name == ZONED else name,
            Figure(percent(result.hit_ratio)),
            Figure(f"{result.mean_latency_ms:.1f}"),
            Figure(f"{result.p99_latency_ms:.0f}"),
            Figure("" if gap is None else percent(gap)),
            Figure(f"{result.origin_fetches:,}"),
            Figure(f"{result.peer_transfers:,}"),
            Figure(f"{result.prefetches:,}"),
            Figure(percent(min(1.0, result.prefetch_used / result.prefetches)) if result.prefetches else ""),
        )

    heads = ("policy", "hits", "mean ms", "p99 ms", "gap closed", "origin", "zones", "ahead", "used")
    return table(heads, (row(*pair) for pair in finished.results.items()), "nothing was run")


def _meanings(finished: Replay) -> Markup:
    told = [name for name in finished.results if name in _MEANS]
    return tag("ul", *(tag("li", tag("b", name), f": {_MEANS[name]}") for name in told), class_="note")


def _agreement(finished: Replay) -> list[Markup]:
    """For a journal: agent by agent, what the real one had and what the same node has here."""
    found = agreement(finished.results)
    if found is None:
        return []
    rows = (
        (
            name,
            Figure(f"{one['requests']:,}"),
            Figure(percent(one["recorded"])),
            Figure(percent(one["replayed"])),
            Figure(f"{one['points']:+.1f}"),
        )
        for name, one in found["agents"].items()
    )
    said = (
        f"The real agents had {percent(found['recorded'])} hits on these reads, the same nodes in virtual"
        f" time {percent(found['replayed'])}: {abs(found['points']):.1f} points apart."
    )
    heads = ("agent", "reads", "hits it had", "hits in this replay", "points")
    return [_section("Can the replay be believed?", tag("p", said), table(heads, rows, ""))]


def _dependencies(finished: Replay) -> list[Markup]:
    zoned = finished.results.get(ZONED)
    rows = zoned.details.get("dependencies", ()) if zoned is not None else ()
    assert isinstance(rows, Sequence), "details are made by zoned_policy"
    found = table(
        ("dependency", "requests", "hits", "a plain LRU's", "saved", "origin fetches"),
        (
            (
                one["dependency"],
                Figure(f"{one['requests']:,}"),
                Figure(percent(one["hit_ratio"])),
                Figure(percent(one["lru_hit_ratio"])),
                Figure(_saved(one["saved_s"])),
                Figure(f"{one['origin_fetches']:,}"),
            )
            for one in rows[:50]
        ),
        "zoned was not among the policies",
    )
    if not rows:
        return [found]
    bars = [
        (one["dependency"], [Bar(one["saved_s"], _saved(one["saved_s"]), _colour(ZONED))])
        for one in sorted(rows, key=lambda one: -one["saved_s"])[:_SHOWN_BARS]
    ]
    said = "As the agents' own ledgers have it, over the whole log: warm-up included."
    return [
        tag("h3", "Waiting saved against a plain LRU"),
        bar_plot(bars),
        found,
        tag("p", said, class_="note"),
    ]


def _saved(seconds: float) -> str:
    return span(seconds) if seconds >= 0 else f"-{span(-seconds)}"


def _costs(finished: Replay) -> list[Markup]:
    """What zoned moves more, or less, than the plain LRU."""
    zoned, lru = finished.results.get(ZONED), finished.results.get(FLOOR)
    if zoned is None or lru is None:
        return [tag("p", "zoned and a plain LRU were not both among the policies", class_="none")]
    unused = max(0, zoned.prefetches - zoned.prefetch_used)
    days = max((finished.trace.ts[-1] - finished.trace.ts[0]) / 86400 * (1 - finished.options.warmup), 1e-9)
    rows = (
        ("requests to origins", lru.origin_fetches, zoned.origin_fetches),
        ("copies between zones", lru.peer_transfers, zoned.peer_transfers),
        ("copies moved in all", lru.transfers, zoned.transfers),
        ("of them fetched ahead, and never used", 0, unused),
    )
    shown = (
        (name, Figure(f"{before:,}"), Figure(f"{now:,}"), Figure(f"{(now - before) / days:+,.0f}"))
        for name, before, now in rows
    )
    bars = [
        (name, [Bar(before, f"{before:,}", _colour(FLOOR)), Bar(now, f"{now:,}", _colour(ZONED))])
        for name, before, now in rows
    ]
    key = [tag("span", tag("i", style=f"background:{_colour(name)}"), name) for name in (FLOOR, ZONED)]
    return [
        tag("p", *key, class_="key"),
        bar_plot(bars),
        table(("", "plain LRU", "zoned", "more or less a day"), shown, ""),
    ]


def _move(result: MoveResult) -> list[Markup]:
    words = {
        Prepared.NOT_AT_ALL: "without the move",
        Prepared.WARM: "with zoned: warmed first",
        Prepared.COLD: "at once, nothing handed over",
    }
    rows = (
        (
            words[how],
            Figure(f"{toll.origin_fetches:,}"),
            Figure(f"{toll.misses:,}"),
            Figure(f"{toll.mean_latency_ms:.1f}"),
        )
        for how, toll in result.tolls.items()
    )
    waited = span(result.tolls[Prepared.WARM].waited_s)
    reads = result.tolls[Prepared.NOT_AT_ALL].reads
    return [
        tag("p", f"The clients move after {waited}; the {reads:,} reads that follow:", class_="note"),
        table(("", "origin fetches", "misses", "mean ms"), rows, ""),
    ]
