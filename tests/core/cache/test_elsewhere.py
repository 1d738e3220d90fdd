"""The other zones' demand: sums of decayed counts, against a naive twin, and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.cache import Elsewhere
from zoned.core.members import CountsHeard
from zoned.core.names import Instant

HALF_S = 3600.0


def at(season_s: float) -> Instant:
    return Instant(5.0, 5.0, season_s)


class Twin:
    """What was told, as it was told."""

    def __init__(self) -> None:
        self.told: dict[str, dict[int, tuple[float, float]]] = {}

    def elsewhere(self, fingerprint: int, now_s: float) -> float:
        return sum(
            counts[fingerprint][0] * 2.0 ** (-(now_s - counts[fingerprint][1]) / HALF_S)
            for counts in self.told.values()
            if fingerprint in counts
        )


step = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.integers(0, 5), st.floats(0.25, 1e4), max_size=4),
    st.floats(0, 20 * HALF_S),
    st.booleans(),
)


@given(st.lists(step, max_size=20))
def test_sums_are_the_twin_s(steps: list[tuple[str, dict[int, float], float, bool]]) -> None:
    one, twin, now_s = Elsewhere(HALF_S, 1000, {}), Twin(), 1e9
    for node, counts, wait_s, gone in steps:
        now_s += wait_s
        if gone:
            one.gone(node)
            twin.told.pop(node, None)
        one.heard(CountsHeard(node, tuple(counts), tuple(counts.values())), at(now_s))
        twin.told.setdefault(node, {}).update({key: (count, now_s) for key, count in counts.items()})
        for fingerprint in range(6):
            expected = twin.elsewhere(fingerprint, now_s)
            assert abs(one.elsewhere(fingerprint, at(now_s)) - expected) <= 0.2 + 1e-6 * expected


def test_the_limit_takes_the_smaller_half_of_who_told_the_most() -> None:
    counters: dict[str, int] = {}
    one = Elsewhere(HALF_S, 100, counters)
    one.heard(CountsHeard("a", tuple(range(90)), tuple(1.0 + each for each in range(90))), at(1e9))
    one.heard(CountsHeard("b", tuple(range(200, 220)), (5.0,) * 20), at(1e9))
    assert len(one) == 65 and counters == {"counts_forgotten": 45}
    assert one.elsewhere(44, at(1e9)) == 0.0 and one.elsewhere(45, at(1e9)) == 46.0
    assert one.elsewhere(200, at(1e9)) == 5.0


def test_who_is_gone_asks_for_nothing() -> None:
    one = Elsewhere(HALF_S, 100, {})
    one.heard(CountsHeard("a", (1, 2), (4.0, 2.0)), at(1e9))
    one.heard(CountsHeard("b", (1,), (3.0,)), at(1e9))
    one.gone("a")
    assert (one.elsewhere(1, at(1e9)), one.elsewhere(2, at(1e9)), len(one)) == (3.0, 0.0, 1)


def test_agents_go_in_any_order_however_far_their_counts_have_faded() -> None:
    one = Elsewhere(HALF_S, 100, {})
    one.heard(CountsHeard("a", (1,), (0.25,)), at(1e9))
    one.heard(CountsHeard("b", (1,), (8000.0,)), at(1e9 + 39 * HALF_S))
    one.gone("b")
    one.gone("a")
    assert len(one) == 0 and one.elsewhere(1, at(1e9 + 39 * HALF_S)) == 0.0


def test_who_asks_first_after_a_long_silence_gets_what_is_left() -> None:
    one = Elsewhere(HALF_S, 1000, {})
    one.heard(CountsHeard(node="a", fingerprints=(1,), counts=(4.0,)), at(1e9))
    one.heard(CountsHeard(node="a", fingerprints=(2,), counts=(1e6,)), at(1e9 + 30 * HALF_S))
    asleep = at(1e9 + 41 * HALF_S)
    assert [one.elsewhere(2, asleep) for _ in range(2)] == [1e6 / 2**11] * 2
    assert one.elsewhere(1, asleep) == 0.0
