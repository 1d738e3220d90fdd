"""The page that is mailed: the answer first, also when it is no; plots; nothing from elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from zoned.core.names import InstanceKey
from zoned.simulation import zoned_policy
from zoned.simulation.plot import WIDTH, Bar, Series, bar_plot, line_plot
from zoned.simulation.replay import REFERENCE, Replay, run
from zoned.simulation.report import page, verdict
from zoned.simulation.results import Mark, PolicyResult, ReplayOptions
from zoned.simulation.trace import Trace, read

TRACE = Path(__file__).resolve().parent.parent / "data" / "semicomplete_web.csv.gz"
POLICIES = ("lru", "peer", "zoned", "oracle")


@pytest.fixture(scope="module")
def replayed() -> Replay:
    trace = read([TRACE])
    cut = 3000
    short = replace(
        trace, ts=trace.ts[:cut], zones=trace.zones[:cut], objects=trace.objects[:cut],
        sizes=trace.sizes[:cut], clients=trace.clients[:cut],
    )  # fmt: skip
    runners = {**REFERENCE, "zoned": zoned_policy.run}
    return run(short, POLICIES, ReplayOptions(), 69, 0.05, runners=runners)


class Tags(HTMLParser):
    """Counts tags, and that each that opens closes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen[tag] = self.seen.get(tag, 0) + 1
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_holds_everything_and_needs_nothing(replayed: Replay) -> None:
    html = page(replayed, [], "9.9")
    tags = Tags()
    tags.feed(html)
    assert not tags.open and tags.seen["svg"] == 4
    for foreign in ("<script", "http://", "https://", "@import", "url(", "src="):
        assert foreign not in html, foreign
    for said in ("zoned 9.9, seed 1", "By dependency", "semicomplete_web", "What it costs", "plain LRU"):
        assert said in html, said
    for policy in POLICIES:
        assert html.count(f"<title>{policy}</title>") == 2, "a line in each plot"


def test_the_curves_are_of_the_measured_part_and_end_where_the_result_does(replayed: Replay) -> None:
    for name, result in replayed.results.items():
        marks = result.timeline
        assert len(marks) > 20, name
        assert marks[-1].requests == result.requests and marks[-1].hits == result.hits
        assert marks[-1].waited_s == pytest.approx(result.requests * result.mean_latency_ms / 1e3)
        assert list(marks) == sorted(marks)
    assert "timeline" not in replayed.results["lru"].as_json()


def test_savings_by_dependency_add_up(replayed: Replay) -> None:
    rows = replayed.results["zoned"].details["dependencies"]
    assert [row["dependency"] for row in rows] == ["semicomplete_web"]  # type: ignore[attr-defined]
    assert rows[0]["requests"] == len(replayed.trace)  # type: ignore[index]


def result_of(mean_ms: float, origin: int) -> PolicyResult:
    return PolicyResult(
        requests=100, hits=50, mean_latency_ms=mean_ms, p99_latency_ms=200.0, origin_fetches=origin,
        peer_transfers=0, prefetches=0, prefetch_used=0, late=0, timeline=(Mark(100, 50, 1.0),),
    )  # fmt: skip


def told(**means: float) -> str:
    trace = Trace(
        name="<b>x</b>", ts=[0.0, 9.0], zones=[0, 0], objects=[0, 0], sizes=[1, 1], clients=[b"", b""],
        zone_names=("z",), instances=(InstanceKey("d", b"k"),), object_sizes=[1],
    )  # fmt: skip
    results = {name: result_of(mean, 50) for name, mean in means.items()}
    replay = Replay(trace=trace, options=ReplayOptions(), capacity=4, share=1.0, results=results)
    assert "<b>x</b>" not in page(replay, [], "0")
    return "".join(verdict(replay)).replace("\u00a0", " ")


def test_the_verdict_also_says_no() -> None:
    assert "falls from 100.0 to 60.0 ms (40.0 % less)" in told(lru=100.0, zoned=60.0, oracle=20.0)
    assert "50.0 % of what a clairvoyant would gain" in told(lru=100.0, zoned=60.0, oracle=20.0)
    nothing = told(lru=100.0, zoned=100.4, oracle=98.0)
    assert "nothing to gain" in nothing and "Not even a clairvoyant could save more than 2.0 %" in nothing
    assert "zoned leaves such traffic alone" in told(lru=100.0, zoned=99.9, oracle=50.0)
    assert "changes by 0.0 %" in told(lru=100.0, zoned=100.0)
    assert "costs more than it gains" in told(lru=100.0, zoned=103.0) and "(3.0 % more)" in told(
        lru=100.0, zoned=103.0
    )
    assert "no verdict" in told(lru=100.0)


def test_bars_share_a_scale_and_stay_inside() -> None:
    rows = [
        ("up", [Bar(30.0, "30", "#111"), Bar(60.0, "60", "#222")]),
        ("d" * 99, [Bar(-30.0, "-30", "#333")]),
    ]
    svg = bar_plot(rows)
    boxes = [(float(x), float(width)) for x, width in re.findall(r'<rect x="([\d.]+)" width="([\d.]+)"', svg)]
    (up_at, once), (twice_at, twice), (down_at, below) = boxes
    assert twice == pytest.approx(2 * once, abs=0.2) and below == pytest.approx(once, abs=0.2)
    assert up_at == twice_at == pytest.approx(down_at + below, abs=0.2), "zero is where all begin"
    assert down_at > 0 and twice_at + twice < WIDTH
    assert "…" in svg and f"<title>{'d' * 99}</title>" in svg
    assert "<svg" in bar_plot([]) and "<svg" in bar_plot([("none", [Bar(0.0, "0", "#000")])])


def test_a_plot_ends_in_round_numbers_and_takes_nothing() -> None:
    svg = line_plot([Series("one", "#000", [(0.0, 3.0), (10.0, 87.0)])], str, lambda y: f"y{y:g}")
    assert re.findall(r">y([\d.]+)<", svg) == ["0", "20", "40", "60", "80", "100"]
    assert "<title>one</title>" in svg
    assert "<svg" in line_plot([], str, str) and "<svg" in line_plot([Series("no", "#000", [])], str, str)
