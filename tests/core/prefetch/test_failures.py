"""What failed is left alone for a while."""

from __future__ import annotations

from zoned.core.names import InstanceKey
from zoned.core.prefetch.failures import Failures


def test_failures_are_remembered_for_a_while_and_bounded() -> None:
    one, two, three = (InstanceKey("d", b"%d" % number) for number in range(3))
    failures = Failures(60.0, 2)
    failures.add(one, 0.0)
    failures.add(two, 10.0)
    assert failures.lately(one, 59.0) and not failures.lately(one, 60.0)
    failures.add(one, 60.0)
    failures.add(three, 61.0)
    assert not failures.lately(two, 62.0), "the oldest is forgotten first"
    assert failures.lately(one, 62.0) and failures.lately(three, 62.0)
