"""What every run of ``zoned simulate`` is told, be it of whole nodes or of their gossip alone."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """One run."""

    FLAGS: ClassVar[tuple[str, ...]] = ()
    """What makes it a run of this kind."""

    zones: int = 50
    minutes: float = 30.0
    seed: int = 1
    loss: float = 0.02
    fault: str = "none"
    settle_s: float = 30.0
    """Before anything is done to the pool: it comes together."""
    rest_s: float = 60.0
    """After all that, before what must hold at rest is checked."""

    def command(self) -> str:
        """What plays this run again, but for fields that have no flag."""
        words = ["zoned", "simulate", *self.FLAGS, "--zones", self.zones, "--minutes", f"{self.minutes:g}"]
        words += ["--seed", self.seed, "--loss", f"{self.loss:g}", "--fault", self.fault]
        return shlex.join(str(word) for word in words)

    def as_json(self) -> dict[str, object]:
        """The beginning of a run's report."""
        return {
            "zones": self.zones,
            "minutes": self.minutes,
            "seed": self.seed,
            "loss": self.loss,
            "fault": self.fault,
        }
