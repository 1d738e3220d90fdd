"""The ledger: prices on both sides alike, nothing lost when lines are added up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoned.core.learning.ledger import Ledger, Tally
from zoned.core.learning.settings import LearningSettings
from zoned.core.names import OTHER
from zoned.core.records import Reason, Source

PRICES = {Source.LOCAL: 0.001, Source.PEER: 0.08, Source.ORIGIN: 0.2, Source.HOME: 0.28}


def price(source: Source) -> float:
    return PRICES[source]


def test_every_source_has_its_price_and_lru_knows_two():
    tally = Tally(requests=9, lru_misses=4.0, local=5, peer=2, origin=1, home=1)
    assert tally.latency_s(price) == pytest.approx(5 * 0.001 + 2 * 0.08 + 0.2 + 0.28)
    assert tally.lru_latency_s(price) == pytest.approx(5 * 0.001 + 4 * 0.2)
    assert tally.since(tally) == Tally(0, 0.0, 0, 0, 0, 0)


def test_a_line_as_a_record():
    ledger = Ledger(LearningSettings())
    line = ledger.line("d")
    line.requests, line.lru_misses = 4, 3.0
    for source in Source:
        line.served(source)
    ledger.fetched(Reason.FORECAST, "d", 100, Source.ORIGIN)
    ledger.fetched(Reason.ASSOCIATION, "d", 50, Source.PEER)
    ledger.fetched(Reason.ASSOCIATION, "d", 7, None)
    ledger.fetched(Reason.DEMAND, "d", 9, Source.ORIGIN)  # that is what `served` counts
    everything, record = ledger.priced(price)
    assert record.dependency == "d" and everything.dependency == ""
    assert (record.requests, record.hits, record.peer_hits, record.lru_hit_ratio) == (4, 1, 1, 0.25)
    assert (record.origin_fetches, record.lru_origin_fetches, record.peer_transfers) == (3, 3.0, 3)
    assert (record.prefetched, record.prefetched_bytes) == (3, 157)
    for source in (Source.ORIGIN, Source.HOME, Source.PEER):
        line.served(source)
        line.shared(source)  # three more reads, and no fetch more
    assert (ledger.priced(price)[1].origin_fetches, ledger.priced(price)[1].peer_transfers) == (3, 3)


def test_an_empty_ledger():
    (record,) = Ledger(LearningSettings()).priced(price)
    assert (record.requests, record.lru_hit_ratio, record.latency_s) == (0, 0.0, 0.0)


def test_a_sample_that_overshoots_never_makes_a_ratio_negative():
    ledger = Ledger(LearningSettings())
    line = ledger.line("d")
    line.requests, line.lru_misses = 10, 12.5
    record = ledger.priced(price)[1]
    assert (record.lru_hit_ratio, record.lru_origin_fetches) == (0.0, 10.0)
    assert record.lru_latency_s == pytest.approx(2.0)


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from(list(Source)), st.booleans()), max_size=400))
def test_folding_loses_nothing_and_keeps_the_busiest(accesses):
    ledger = Ledger(LearningSettings(max_dependencies=8))
    for index, (number, source, miss) in enumerate(accesses):
        line = ledger.line(f"d{number}")
        line.requests += 1
        line.lru_misses += miss
        line.served(source)
        if index % 50 == 49:
            kept = sorted(
                (name for name in ledger.lines if name != OTHER), key=lambda n: ledger.lines[n].requests
            )
            ledger.fold()
            gone = [name for name in kept if name not in ledger.lines]
            assert gone == [] or len(ledger.lines) < 8
            busiest = kept[-4:]
            assert all(name in ledger.lines for name in busiest)
    assert len(ledger.lines) <= 9  # eight, and the line of all others
    total, *lines = ledger.priced(price)
    assert total.requests == len(accesses) == sum(line.requests for line in lines)
    assert total.hits == sum(source is Source.LOCAL for _, source, _ in accesses)
    assert total.lru_origin_fetches == sum(miss for _, _, miss in accesses)
    assert total.latency_s == pytest.approx(sum(price(source) for _, source, _ in accesses))


def test_a_newcomer_gets_a_line_after_the_quietest_was_folded():
    ledger = Ledger(LearningSettings(max_dependencies=8))
    for number in range(8):
        ledger.line(f"d{number}").requests += number + 1
    ledger.line("late").requests += 5
    assert "late" not in ledger.lines and ledger.lines[OTHER].requests == 5
    ledger.fold()
    ledger.line("late").requests += 7
    assert ledger.lines["late"].requests == 7 and "d0" not in ledger.lines
    assert ledger.requests("d0") == 0 and ledger.requests("d7") == 8
