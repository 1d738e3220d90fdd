"""Second request: in after being turned away once, if that is not too long ago."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoned.core.eviction import SecondRequest


@given(st.lists(st.integers(0, 8), max_size=80), st.integers(1, 5))
def test_against_a_list_of_names(keys: list[int], most: int) -> None:
    door: SecondRequest[int] = SecondRequest()
    names: list[int] = []
    for key in keys:
        if key in names:
            names.remove(key)
            assert not door.turns_away(key, most)
        else:
            names = [*names, key][-most:]
            assert door.turns_away(key, most)
