"""Hedge over the arms: which eviction policy has served readers best lately, in seconds.

After each batch of accesses every arm has a mean latency per request: its shadow's misses at the measured
price of a miss, the rest at the price of a local hit. Discounting lets yesterday fade. Weights are
Hedge's, exp(eta x discounted advantage), for people to see how clear the case is.

What is *played* is the leader, not a draw from the weights: a store cannot change its policy at each
request, and with full information following the discounted leader is as good when leads are real. Two
brakes: a challenger must be faster by ``hysteresis_ratio``, and by so much that it would have paid for the
change in the batches remembered (what it would hold and we do not has to be fetched first); and nothing but
LRU is played unless the guard agrees and no hour has spoken against it (``proof``). One exception: where
zones are seen to serve one another, the arm made for that is played on trust, since in a small zone proof
takes longer than the day; it loses that for good when another arm is measured to be better, and gives way to
LRU for hours in which it surely loses (when zones stop sharing, say). And while there is an `alarm` for the
arm that is played, the store goes by LRU, though nothing is decided yet. Rejected: EXP3,
UCB, Thompson sampling (48, 66 and 79 % of the best in our simulation; this: 96). Paper: Freund and Schapire
1997; for the guard, Wu et al., Conservative Bandits, ICML 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from zoned.core.errors import StateError
from zoned.core.learning.alarm import WHY, Alarm
from zoned.core.learning.guard import is_better, may_leave, must_return
from zoned.core.learning.proof import Hours
from zoned.core.learning.scores import Discounted
from zoned.core.learning.settings import LearningSettings

_NOT_GIVEN, _GIVEN, _LOST = 0, 1, 2  # the trust in the arm that is played unproved


def _alike(played: int, other: int) -> float:
    """Nobody knows what arms hold: a change costs nothing."""
    return 0.0


class Hedge:
    """Scores of the arms by their position; 0 is LRU."""

    __slots__ = (
        "_advantage",
        "_alarms",
        "_barred",
        "_edge",
        "_latency",
        "_paused",
        "_settings",
        "_trust",
        "_trusted",
        "_unit_s",
        "apart",
        "changes",
        "hours",
        "played",
    )

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._latency = [Discounted(settings.decay) for _ in settings.arms]
        self._advantage = [Discounted(settings.decay) for _ in settings.arms]  # seconds faster than LRU
        self._unit_s = 1.0  # what a hit saves: advantages in hits, so that eta needs no knowledge of prices
        self._trusted = (
            settings.arms.index(settings.trusted_arm) if settings.trusted_arm in settings.arms else 0
        )
        self._edge = [Discounted(settings.decay) for _ in settings.arms]  # on the trusted arm, s
        self._trust = _NOT_GIVEN
        self._paused: int | None = None  # in which hour the trusted arm turned out to lose
        self._alarms = [Alarm(settings) for _ in settings.arms]
        self._barred = 0, -1  # the arm whose alarm was right, and in which hour
        self.hours = Hours(settings, len(settings.arms))
        """How each arm did against LRU, hour by hour."""
        self.played = 0
        self.changes = 0
        self.apart: Callable[[int, int], float] = _alike
        """How many copies the second arm holds that the first does not, per request of a batch."""

    def trust(self) -> None:
        """Zones share what they hold: play the arm made for that, until another is measured to be better."""
        if self._trusted and self._trust == _NOT_GIVEN:
            self.changes += self.played != self._trusted
            self.played, self._trust = self._trusted, _GIVEN

    def learn(self, miss_ratios: Sequence[float], hit_s: float, miss_s: float) -> None:
        """One batch: each arm's miss ratio, and the prices it was at. Then see what to play."""
        saved_s = max(0.0, miss_s - hit_s)
        self._unit_s = saved_s or self._unit_s
        for ratio, latency, advantage in zip(miss_ratios, self._latency, self._advantage, strict=True):
            latency.add(hit_s + ratio * saved_s)
            advantage.add((miss_ratios[0] - ratio) * saved_s)
        if self._trust == _GIVEN:
            for ratio, edge in zip(miss_ratios, self._edge, strict=True):
                edge.add((miss_ratios[self._trusted] - ratio) * saved_s)
        before = self.played
        self.played = self._choose()
        self.changes += self.played != before

    def watch(self, costs: Sequence[float], alone: float, accesses: int, now_s: float) -> None:
        """What each arm has cost since the last time, in misses, and what LRU would have in a zone that knows
        no other: no hour is to be worse than that. `learn` waits for a batch; this does not: what has proved
        itself for long may turn bad within minutes."""
        if self.hours.began or max(costs) > min(costs):  # a store that is not full yet says nothing
            self.hours.watch([cost - alone for cost in costs], alone, accesses, now_s)
        before = self.played
        if self._trust == _GIVEN:
            self._watch_trusted()
        elif self.played and self.hours.fails(self.played):
            self.played = 0
        self.changes += self.played != before

    def heed(self, failed: float, costs: Sequence[float], reads: float, copies: float) -> None:
        """After `watch`, while another arm than LRU is played: of so many ``reads`` since the last time it
        sent so many to the origin (``failed``). ``costs``: of each arm; ``copies``: what the store holds. All
        but the costs are those of the sample."""
        arm = self.played
        assert arm, "LRU is what an alarm leads to"
        if self._alarms[arm].watch(failed, reads, costs[0] - costs[arm], copies):
            self._barred, self.played = (arm, self.hours.passed), 0
            if self._trust == _GIVEN:
                self._paused = self.hours.passed
            self.changes += 1

    def _watch_trusted(self) -> None:
        """An hour in which it loses is LRU's; the first in which it did not lose is its own again."""
        hour = self.hours.passed
        if self.hours.surely_fails(self._trusted):
            self._paused, self.played = hour, 0
        elif self._paused is not None and hour > self._paused + 1:
            self._paused, self.played = None, self._trusted

    @property
    def plays(self) -> int:
        """What the store had better go by just now."""
        return 0 if self.alarmed else self.played

    @property
    def alarmed(self) -> bool:
        """What the played arm is good for has stopped."""
        return self._alarms[self.played].on

    @property
    def alarms(self) -> tuple[int, int]:
        """How many there were, and how many with reason."""
        return sum([alarm.rang for alarm in self._alarms]), sum([alarm.right for alarm in self._alarms])

    @property
    def trusting(self) -> bool:
        """The trusted arm is played, and has not been found to be worse than another."""
        return self._trust == _GIVEN and self._paused is None

    @property
    def leader(self) -> int:
        """The arm that has served readers best lately, proved or not."""
        return min(range(len(self._latency)), key=lambda arm: (self._latency[arm].mean, arm))

    @property
    def why(self) -> str:
        """Why this arm is played, in a few words."""
        if self.alarmed:
            return WHY
        if self._trust == _GIVEN and self._paused is not None:
            return "the arm made for zones that share has lost in the last hour"
        if self._trust == _GIVEN:
            return "zones share what they hold: it is made for that, and no other was measured to be better"
        if self.played:
            return "measured to be better than LRU, and in no hour worse"
        return "no other has proved to be better"

    def weights(self) -> tuple[float, ...]:
        """Hedge's weights; they sum to 1."""
        eta = self._settings.learning_rate / self._unit_s
        exponents = [eta * advantage.total for advantage in self._advantage]
        top = max(exponents)
        raw = [math.exp(exponent - top) for exponent in exponents]
        total = sum(raw)
        return tuple([weight / total for weight in raw])

    def export_state(self) -> dict[str, object]:
        """What was learnt, by the arms' names."""
        return {
            "played": self._settings.arms[self.played],
            "unit_s": self._unit_s,
            "trust": self._trust,
            "arms": {
                name: [latency.export_state(), advantage.export_state()]
                for name, latency, advantage in zip(
                    self._settings.arms, self._latency, self._advantage, strict=True
                )
            },
            "edge": {
                name: edge.export_state() for name, edge in zip(self._settings.arms, self._edge, strict=True)
            },
            "hours": self.hours.export_state(self._settings.arms),
        }

    def restore_state(self, obj: object) -> None:
        """Take over what `export_state` gave. With other arms than then, start afresh."""
        arms = self._settings.arms
        if not isinstance(obj, dict) or not isinstance(obj.get("arms"), dict):
            raise StateError("learning: scores of the arms are not a map")
        if sorted(obj["arms"], key=str) != sorted(arms):
            return
        unit_s, played = obj.get("unit_s"), obj.get("played")
        trust = obj.get("trust", _LOST)  # older states know nothing of it
        if not isinstance(unit_s, float) or not 0.0 < unit_s < math.inf or played not in arms:
            raise StateError("learning: scores of the arms are incomplete")
        if trust not in (_NOT_GIVEN, _GIVEN, _LOST):
            raise StateError("learning: scores of the arms are incomplete")
        pairs = [obj["arms"][name] for name in arms]
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise StateError("learning: scores of the arms are incomplete")
        decay, edges, hours = self._settings.decay, obj.get("edge"), obj.get("hours")
        latency = [Discounted.restored(pair[0], decay) for pair in pairs]
        advantage = [Discounted.restored(pair[1], decay) for pair in pairs]
        if edges is not None:  # older states know nothing of these two
            if not isinstance(edges, dict):
                raise StateError("learning: edges of the arms are not a map")
            edge = [Discounted.restored(edges.get(name), decay) for name in arms]
        else:
            edge = self._edge
        proved = self.hours if hours is None else Hours.restored(hours, arms, self._settings)
        self._edge, self.hours = edge, proved
        self._latency, self._advantage, self._unit_s = latency, advantage, unit_s
        self.played, self._trust = arms.index(played), trust
        self._paused = proved.passed if trust == _GIVEN and not self.played else None

    def _stands(self, arm: int) -> bool:
        """In the last hours, and so far in this: else it would be taken up again as soon as it was left."""
        if self._barred == (arm, self.hours.passed):
            return False
        return self.hours.stands(arm) and not self.hours.fails(arm)

    def _choose(self) -> int:
        settings = self._settings
        played = self.played
        if self._trust == _GIVEN:
            better = [
                arm
                for arm, edge in enumerate(self._edge)
                if is_better(edge, settings) and self._pays(edge.total, arm)
            ]
            if better:
                self._trust = _LOST
            return min(better, key=lambda arm: (self._latency[arm].mean, arm), default=played)
        if played and (must_return(self._advantage[played], settings) or self.hours.fails(played)):
            played = 0
        allowed = [
            arm
            for arm, advantage in enumerate(self._advantage)
            if arm in (0, played) or (may_leave(advantage, settings) and self._stands(arm))
        ]
        best = min(allowed, key=lambda arm: (self._latency[arm].mean, arm))
        enough_s = self._latency[played].mean - abs(self._latency[0].mean) * settings.hysteresis_ratio
        if self._latency[best].mean >= enough_s:
            return played
        saved_s = self._latency[played].total - self._latency[best].total
        return best if self._pays(saved_s, best) else played

    def _pays(self, saved_s: float, arm: int) -> bool:
        """Whether what an arm would have saved in the batches remembered, in seconds a request of each, is
        more than the change to it costs: what it holds, and what is played does not, has to be fetched."""
        return saved_s >= self.apart(self.played, arm) * self._unit_s
