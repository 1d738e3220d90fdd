"""Metrics: names that dashboards hold on to, labels that stay bounded, counters that never run backwards."""

from __future__ import annotations

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.status.snapshots import snapshot
from zoned.core.records import Source
from zoned.core.snapshot import DependencyView, Snapshot
from zoned.status import Metrics
from zoned.status import metrics as module

NAMES = (
    "zoned_build_info", "zoned_ready", "zoned_event_loop_lag_seconds_count", "zoned_load_ratio",
    "zoned_members",
    "zoned_peer_rtt_seconds", "zoned_gossip_queue_length", "zoned_gossip_health_score",
    "zoned_gossip_bytes_total", "zoned_gossip_rejected_total", "zoned_ring_epoch", "zoned_ring_owned_ratio",
    "zoned_ring_disagreeing_members", "zoned_ring_changes_total", "zoned_cache_requests_total",
    "zoned_cache_used_bytes", "zoned_cache_evictions_total", "zoned_dependencies",
    "zoned_dependencies_folded", "zoned_dependency_accesses_total", "zoned_forecast_accesses",
    "zoned_forecast_error_ratio", "zoned_prefetch_queue_length", "zoned_prefetch_used_total",
    "zoned_prefetch_paused", "process_resident_memory_bytes",
)  # fmt: skip

OUTSIDE = {"log": {"error": 1.0}, "gossip_io": {"rejected_wrong_key": 3, "streams_late": 1}}


def values(metrics: Metrics, accept: str = "") -> dict[tuple[str, tuple[str, ...]], float]:
    metrics._rendered.clear()
    body, content_type = metrics.render(accept)
    parse = openmetrics if "openmetrics" in content_type else plain
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in parse(body.decode())
        for sample in family.samples
    }


def made(view: Snapshot, limit: int = 50) -> Metrics:
    metrics = Metrics(lambda: view, lambda s: {"node_running": True}, lambda: OUTSIDE, "0.1.0", limit)
    metrics.load.labels("cpu").set(0.5)
    return metrics


def test_names_and_values() -> None:
    found = values(made(snapshot()))
    for name in NAMES:
        assert any(sample == name for sample, _ in found), name
    assert found["zoned_members", ("alive",)] == 2
    assert found["zoned_members", ("suspect",)] == 0
    assert found["zoned_ring_owned_ratio", ()] == 0.4
    assert found["zoned_ring_disagreeing_members", ()] == 1
    assert found["zoned_ring_warming_members", ()] == 1 and found["zoned_ring_flipped_ratio", ()] == 1
    assert values(made(snapshot(node="n2")))["zoned_ring_flipped_ratio", ()] == 0.25
    assert found["zoned_cache_requests_total", ("memory", "shop", "miss")] == 200
    assert found["zoned_dependency_accesses_total", ("shop", "peer")] == 80
    assert found["zoned_cache_evictions_total", ("memory",)] == 5
    assert found["zoned_eviction_played", ("shop", "sieve")] == 1
    assert found["zoned_gossip_rejected_total", ("crc",)] == 2
    assert found["zoned_gossip_rejected_total", ("wrong_key",)] == 3
    assert found["zoned_prefetch_total", ("forecast", "used")] == 7
    assert found["zoned_peer_rtt_seconds", ("z2",)] == 0.08
    assert found["zoned_directory_asks_total", ()] == 40
    assert found["zoned_directory_false_positives_total", ("late",)] == 2
    assert found["zoned_directory_false_positives_total", ("unknown",)] == 0
    assert found["zoned_gossip_staleness_seconds", ("summary", "z2")] == 1.5
    assert found["zoned_gossip_staleness_seconds", ("holdings", "z2")] == 0.25
    assert found["zoned_internal", ("error", "log")] == 1


def test_openmetrics_to_who_asks_for_it() -> None:
    metrics = made(snapshot())
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    body, content_type = metrics.render(accept)
    assert content_type.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")
    assert values(metrics, accept)["zoned_ring_epoch", ()] == 4
    assert metrics.render("")[1].startswith("text/plain; version=0.0.4")


def dependencies(counts: dict[str, int]) -> Snapshot:
    views = tuple(
        DependencyView(dependency=name, accesses=n, hits=0, by_source={Source.ORIGIN: n}, latency_s=0.0)
        for name, n in counts.items()
    )
    return snapshot(dependencies=views, forecast=None)


def test_dependencies_are_bounded_and_keep_their_label() -> None:
    counts = {f"d{n:03}": 1000 - n for n in range(200)}
    view = dependencies(counts)
    metrics = Metrics(lambda: view, lambda s: {}, dict, "0", 50)
    found = values(metrics)
    labels = {labels[0] for name, labels in found if name == "zoned_dependency_accesses_total"}
    assert len(labels) == 51 and "d000" in labels and "d050" not in labels and module.OTHER in labels
    assert found["zoned_dependencies_folded", ()] == 150
    assert found["zoned_dependency_accesses_total", ("_other", "origin")] == sum(list(counts.values())[50:])
    view = dependencies(counts | {"d199": 10**6})  # it is the busiest now, and stays where it was counted
    later = values(metrics)
    assert ("zoned_dependency_accesses_total", ("d199", "origin")) not in later
    for key, value in found.items():
        if key[0].endswith("_accesses_total"):
            assert later[key] >= value


def test_one_render_a_second() -> None:
    looked = 0

    def look() -> Snapshot:
        nonlocal looked
        looked += 1
        return snapshot()

    metrics = Metrics(look, lambda s: {}, dict, "0")
    for _ in range(5):
        metrics.render("")
    assert looked == 1
