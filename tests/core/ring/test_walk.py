"""The vectorised walk against one walk at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from zoned.core.ring.walk import preference_lists


def one_walk(start: int, owners: list[int], zones: list[int], length: int) -> list[int]:
    met = list(dict.fromkeys(owners[start:] + owners[:start]))
    chosen: list[int] = []
    for member in met:
        if len(chosen) < length and zones[member] not in [zones[other] for other in chosen]:
            chosen.append(member)
    return chosen + [member for member in met if member not in chosen][: length - len(chosen)]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_all_walks_at_once_equal_single_walks(data: st.DataObject) -> None:
    members = data.draw(st.integers(1, 7))
    zones = data.draw(st.lists(st.integers(0, 3), min_size=members, max_size=members))
    more = data.draw(st.lists(st.integers(0, members - 1), max_size=30))
    owners = data.draw(st.permutations([*range(members), *more]))
    length = data.draw(st.integers(1, members))
    starts = data.draw(st.lists(st.integers(0, len(owners) - 1), min_size=1, max_size=10))
    columns = preference_lists(
        np.array(owners, dtype=np.uint16), np.array(zones, dtype=np.uint16), np.array(starts), length
    )
    assert columns.T.tolist() == [one_walk(start, list(owners), zones, length) for start in starts]
