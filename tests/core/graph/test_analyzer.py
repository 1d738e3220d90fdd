"""The graph stage: what teaches, what does not, and that a confidence is a probability."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.errors import StateError
from zoned.core.graph import Analyzer, GraphSettings
from zoned.core.names import InstanceKey, Instant, key_hash


def at(second: float) -> Instant:
    return Instant(second, second, second)


class Reader:
    """Accesses by name."""

    def __init__(self, **options) -> None:
        self.analyzer = Analyzer(GraphSettings(**options))

    def access(self, name: str, second: float, client: bytes = b"c") -> list[tuple[str, float]]:
        key = InstanceKey("d", name.encode())
        found = self.analyzer.access(key, key_hash(key), client, at(second))
        assert all(one.key_hash == key_hash(one.key) for one in found)
        return [(one.key.key.decode(), one.confidence) for one in found]


def test_a_page_calls_for_its_parts():
    reader = Reader()
    for visit in range(3):
        told = [("image", 1.0), ("style", 1.0)] if visit == 2 else []
        assert reader.access("page", visit * 10_000) == told
        reader.access("style", visit * 10_000 + 1)
        reader.access("image", visit * 10_000 + 2)
    assert reader.access("page", 50_000) == [("image", 1.0), ("style", 1.0)]
    assert reader.access("page", 50_000, b"other client") == [("image", 0.75), ("style", 0.75)]


def test_what_cannot_arrive_in_time_teaches_nothing():
    reader = Reader()
    for visit in range(10):
        reader.access("page", visit * 10_000)
        reader.access("style", visit * 10_000 + 0.5)
        reader.access("image", visit * 10_000 + 0.51)
    assert reader.access("page", 200_000) == [("image", 1.0)]


def test_what_comes_too_late_teaches_nothing():
    reader = Reader()
    for visit in range(10):
        reader.access("page", visit * 10_000)
        reader.access("other", visit * 10_000 + 900)
    assert reader.access("page", 200_000) == []


def test_only_the_last_distinct_instances_teach():
    reader = Reader(recent_instances=2, max_predictions=9)
    for visit in range(5):
        for index, name in enumerate("abcd"):
            reader.access(name, visit * 10_000 + index)
    assert reader.access("a", 90_000) == [("b", 1.0), ("c", 1.0)]


def test_no_client_teaches_and_predicts_nothing():
    reader = Reader()
    for visit in range(10):
        reader.access("a", visit * 10_000, b"")
        reader.access("b", visit * 10_000 + 1, b"")
    assert reader.access("a", 200_000, b"") == []
    assert len(reader.analyzer._pairs) == 0


def test_clients_are_not_mixed_up():
    reader = Reader()
    for visit in range(10):
        reader.access("a", visit * 10_000, b"one")
        reader.access("b", visit * 10_000 + 1, b"two")
    assert reader.access("a", 200_000, b"one") == []


def test_switched_off_it_does_nothing():
    reader = Reader(association=False)
    for visit in range(10):
        reader.access("a", visit * 10_000)
        reader.access("b", visit * 10_000 + 1)
    assert reader.access("a", 200_000) == [] and len(reader.analyzer._pairs) == 0


def naive(log: list[tuple[str, float, bytes]], options: GraphSettings) -> list[list[tuple[str, float]]]:
    """The same, recomputed at each access from the whole log."""
    occurrences: dict[bytes, list[tuple[str, float]]] = {}
    counts, pairs, answers = Counter(), Counter(), []
    for name, second, client in log:
        past = occurrences.setdefault(client, [])
        latest = dict(past)  # its last occurrence wins
        order = sorted(latest, key=lambda other: max(i for i, (n, _) in enumerate(past) if n == other))
        trail = [other for other in order if latest[other] > second - options.recent_s]
        trail = trail[-options.recent_instances :]
        teaching = trail[trail.index(name) + 1 :] if name in trail else trail
        for other in teaching:
            if round(1e3 * second) - round(1e3 * latest[other]) > 1e3 * options.min_lead_s:  # trails keep ms
                pairs[other, name] += 1
        found = []
        if counts[name] >= options.min_antecedent:
            for (first, follower), support in pairs.items():
                confidence = support / counts[name]
                if first == name and support >= options.min_support and confidence >= options.min_confidence:
                    found.append((follower, confidence))
        answers.append(sorted(found, key=lambda one: (-one[1], one[0]))[: options.max_predictions])
        if not (trail and trail[-1] == name):
            counts[name] += 1
            past.append((name, second))
    return answers


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcde"),
            st.sampled_from([0.1, 0.4, 1.0, 30.0, 500.0]),
            st.sampled_from([b"1", b"2"]),
        ),
        max_size=120,
    ),
    st.integers(2, 5),
)
def test_equals_the_naive_twin_and_is_a_probability(steps, recent):
    options = GraphSettings(recent_instances=recent)
    reader = Reader(recent_instances=recent)
    log, second = [], 0.0
    for name, gap, client in steps:
        second += gap
        log.append((name, second, client))
    found = [reader.access(*entry) for entry in log]
    assert found == naive(log, options)
    least = options.min_confidence
    assert all(least <= confidence <= 1.0 for one in found for _, confidence in one)


def test_the_clients_trail_says_more_of_what_follows():
    reader = Reader()
    for visit in range(3):
        for place, name in enumerate(("page", "style", "image", "next")):
            reader.access(name, visit * 10_000 + 3 * place)

    def known(name, second, client=b"c"):
        instance = InstanceKey("d", name.encode())
        found = reader.analyzer.access(instance, key_hash(instance), client, at(second))
        agreeing = reader.analyzer.agreeing
        return {
            one.key.key.decode(): (one.occurrences, one.repeated, agreeing(one), one.pace_s) for one in found
        }

    assert known("page", 50_000) == dict.fromkeys(("style", "image", "next"), (3, False, 0, 30.0))
    # The page leads to the same two, which makes one that agrees; and it was asked for 2.5 s ago.
    assert known("style", 50_002.5) == {"image": (3, False, 1, 2.5), "next": (3, False, 1, 2.5)}
    assert known("page", 50_004) == {
        "style": (4, True, 0, 1.5), "image": (4, False, 1, 1.5), "next": (4, False, 1, 1.5)
    }  # fmt: skip
    # Who comes for the first time has no trail that could say anything.
    assert known("image", 50_005, b"somebody else") == {"next": (3, False, 0, 30.0)}


def test_clients_and_antecedents_are_bounded():
    reader = Reader(max_clients=3, max_antecedents=5)
    for index in range(50):
        reader.access(f"k{index}", index, b"client%d" % index)
    reader.analyzer.update(at(50))
    assert reader.analyzer.counters["clients"] == 3 and reader.analyzer.counters["clients_dropped"] == 47
    assert (
        reader.analyzer.counters["antecedents"] == 5 and reader.analyzer.counters["antecedents_dropped"] == 45
    )


def test_silent_clients_are_forgotten():
    reader = Reader()
    reader.access("a", 0, b"silent")
    reader.access("a", 800, b"active")
    reader.analyzer.update(at(901))
    assert reader.analyzer.counters["clients"] == 1
    reader.analyzer.update(at(2000))
    assert reader.analyzer.counters["clients"] == 0


def test_survives_a_restart():
    reader, after = Reader(), Reader()
    for visit in range(5):
        reader.access("a", visit * 10_000)
        reader.access("b", visit * 10_000 + 1)
    after.analyzer.restore_state(reader.analyzer.export_state(), at(0))
    assert after.access("a", 200_000) == [("b", 1.0)]
    for nonsense in (None, [], {}, {"associations": 3}):
        with pytest.raises(StateError):
            after.analyzer.restore_state(nonsense, at(0))
