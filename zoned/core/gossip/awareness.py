"""Local health, Lifeguard's first idea: a member that misses answers may itself be the slow one.

The score runs from 0 (well) to ``awareness_max - 1``; every sign of own trouble raises it, every answered
probe lowers it, and probing slows down by (score + 1), which gives late answers time.
Dadgar, Phillips, Currey: "Lifeguard: Local Health Awareness for More Accurate Failure Detection" (2018).
"""

from __future__ import annotations


class Awareness:
    """The score of this agent."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.score = 0

    def add(self, delta: int) -> None:
        """Worse (positive) or better (negative), within bounds."""
        self.score = min(max(0, self.score + delta), self._most - 1)

    def scaled(self, seconds: float) -> float:
        """A wait, made longer by how unwell we are."""
        return seconds * (self.score + 1)
