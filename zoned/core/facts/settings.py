"""Settings of the book of facts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsSettings:
    """Settings of ``zoned.core.facts``."""

    max_facts_per_kind: int = 512
    """Facts kept of each kind (drain, pause, invalidate, out); beyond it the oldest go, by the same
    total order everywhere, so books still converge. Range >= 16. Danger: fewer than the zones being
    drained or members being out at one time would forget one of them."""
    max_subject_bytes: int = 16_896
    """Longest subject (of an invalidated instance: ``dependency:key``, a key of 4 KiB percent-encoded)."""
    max_value_bytes: int = 1024
    """Longest value, and longest name of an origin."""
    max_clock: int = 1 << 53
    """Lamport clocks beyond this are nonsense and refused: one such fact would win for ever. Must be the
    same in the whole pool."""
