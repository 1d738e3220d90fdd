"""The allowance: what guesses cost, and what they get back."""

from __future__ import annotations

from zoned.core.prefetch.allowance import Allowance, Credit
from zoned.core.records import Reason


def test_allowance() -> None:
    allowance = Allowance(2.0, 0.5, 3.0, 4.0, Credit(100.0, 0.0, 2.0, 1000.0))
    for _ in range(2):
        allowance.spend(Reason.FORECAST)
    allowance.used(Reason.REFRESH, 10)
    assert allowance.tokens == 0.0
    allowance.missed()
    assert allowance.tokens == 0.5
    allowance.used(Reason.FORECAST, 10)
    assert allowance.tokens == 2.5
    allowance.used(Reason.FORECAST, 10)
    assert allowance.tokens == 2.5
    for _ in range(100):
        allowance.missed()
    assert allowance.tokens <= 3.5


def test_a_reason_lives_on_its_own_uses() -> None:
    allowance = Allowance(1000.0, 0.0, 1000.0, 4.0, Credit(2.0, 0.5, 2.0, 5.0))
    for _ in range(2):
        allowance.spend(Reason.FORECAST)
    assert allowance.credit(Reason.FORECAST) == 0.0 and allowance.credit(Reason.ELSEWHERE) == 2.0
    allowance.used(Reason.ELSEWHERE, 3)  # not ours: nothing was spent
    allowance.used(Reason.FORECAST, 10)
    assert allowance.credit(Reason.FORECAST) == 4.0 and allowance.credit(Reason.ELSEWHERE) == 2.0
    allowance.spend(Reason.ELSEWHERE)
    allowance.failed(Reason.ELSEWHERE)
    assert allowance.credit(Reason.ELSEWHERE) == 2.0
    for _ in range(100):
        allowance.missed()
    assert allowance.credit(Reason.ELSEWHERE) == 5.0
    for _ in range(5):
        allowance.spend(Reason.ELSEWHERE)
    assert allowance.credit(Reason.ELSEWHERE) == 0.0  # what did not fit is not there later


def test_who_cannot_wait_has_the_last_tokens() -> None:
    allowance = Allowance(2.0, 1.0, 100.0, 3.0, Credit(100.0, 0.0, 2.0, 1000.0))
    reasons = Reason.ASSOCIATION, Reason.FORECAST
    allowance.lacked()  # for something else than tokens
    assert [allowance.allows(reason) for reason in reasons] == [True, True]
    allowance.spend(Reason.FORECAST)
    allowance.spend(Reason.FORECAST)
    assert [allowance.allows(reason) for reason in reasons] == [False, False]
    allowance.lacked()
    for tokens in (1, 2, 3):
        allowance.missed()
        assert allowance.tokens == tokens and [allowance.allows(one) for one in reasons] == [True, False]
    allowance.missed()
    assert [allowance.allows(reason) for reason in reasons] == [True, True]
