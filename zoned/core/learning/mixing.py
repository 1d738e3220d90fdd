"""Mixing: which eviction policy each dependency goes by, where one for all is not the best.

A dependency that is scanned wants S3-FIFO, one that is read again soon and then never wants LRU, and both
may live in one store. What an arm does for a dependency cannot be read off the shadows in which that arm is
played for all: where LRU is best for D, its shadow has D flooded by what E scans. Room is what they share,
so a mix of arms is no sum of its parts, and has to be played to be known.

So two more shadows are played, where a store serves several dependencies. The *trial* is what is played
with one dependency under another arm. If it is measured to be better, it becomes the *mix*, and the next
trial starts from there; if it is not after ``trial_batches``, the next change is tried. Step by step the
mix finds what no single arm can do. It begins with the single arm that is best, so while all are best
served by the same one there is no mix. The store follows the mix when it has proved what every arm must
prove: that it is better than LRU, in no hour worse, and better than the single arm that would be played
otherwise. It goes back when any of that fails, and goes by LRU while there is an `alarm`. While a mix is
played, who replaces it must have proved all that itself.

Dependencies with a small share of the requests have no trials of their own: they go with ``rest``.

Rejected: for each dependency the arm whose single shadow has the fewest of its misses (beside a scan that
is S3-FIFO, also for the reads that LRU serves best where it has them to itself), shadows of every arm for
every dependency (how much room each would have is the very question), and all combinations at once (arms to
the power of dependencies). Paper, for searching one step at a time: Cidon et al., Cliffhanger, NSDI 2016.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from zoned.core.errors import StateError
from zoned.core.learning.alarm import WHY, Alarm
from zoned.core.learning.guard import is_better, may_leave, must_return
from zoned.core.learning.hedge import Hedge
from zoned.core.learning.ledger import Ledger
from zoned.core.learning.proof import Hours
from zoned.core.learning.scores import Discounted
from zoned.core.learning.settings import LearningSettings
from zoned.core.learning.shadow import Arm, Shadow, grown
from zoned.core.names import OTHER, Dependency

_NOBODY: Mapping[Dependency, str] = MappingProxyType({})
_SHOWN = 4  # names in a sentence
_MIX = ("mix",)  # the one name in its hours


class Mixture(NamedTuple):
    """Who goes by which arm: ``own`` by dependency, ``rest`` all others."""

    rest: str
    own: Mapping[Dependency, str] = _NOBODY

    def arm(self, name: Dependency) -> str:
        """The arm of a dependency."""
        return self.own.get(name, self.rest)

    def told(self, arm: str) -> str:
        """Whose arm that is, in a few words."""
        if arm == self.rest:
            return f"for all but {_listed(self.own)}" if self.own else "for all"
        return f"for {_listed([name for name, by in self.own.items() if by == arm])}"

    def but(self, name: Dependency, arm: str) -> Mixture:
        """The same, with that dependency under another arm."""
        own = {**self.own, name: arm}
        return Mixture(self.rest, {one: by for one, by in own.items() if by != self.rest})


class Contender:
    """A mixture that is played in a shadow, and what speaks for it. All in seconds a request."""

    __slots__ = (
        "_before", "_seen", "advantage", "alarm", "cost", "edge", "failed", "gain", "hours", "lead",
        "mixture", "shadow",
    )  # fmt: skip

    def __init__(self, mixture: Mixture, shadow: Arm, settings: LearningSettings) -> None:
        self.mixture = mixture
        self.shadow = shadow
        self._before = self._seen = shadow.cost
        self.advantage = Discounted(settings.decay)  # over LRU
        self.edge = Discounted(settings.decay)  # over the single arm that would be played
        self.lead = Discounted(settings.decay)  # over the best single arm, proved or not
        self.gain = Discounted(settings.decay)  # over what it started from
        self.hours = Hours(settings, 1)
        self.alarm = Alarm(settings)
        self.cost = self.failed = 0.0  # between the last two times, in misses; reads that went to the origin

    def watch(self, part: float, lru: float, accesses: int, now_s: float) -> None:
        """Since the last time, LRU in a zone alone has cost so many misses."""
        before, now = self._seen, self.shadow.cost
        self._seen, self.cost = now, grown(before, now, part)
        self.failed = now[0] - before[0] - (now[1] - before[1])
        self.hours.watch([self.cost - lru], lru, accesses, now_s)

    def batch(self, part: float) -> float:
        """What it has cost since the last batch, in misses."""
        cost, self._before = grown(self._before, self.shadow.cost, part), self.shadow.cost
        return cost


class SavedMix(NamedTuple):
    """What is kept of a mix over a restart."""

    mixture: Mixture
    played: bool
    advantage: Discounted
    edge: Discounted
    hours: Hours


class Mixing:
    """The mix, the trial, and whether the mix is played."""

    __slots__ = (
        "_failed",
        "_hedge",
        "_ledger",
        "_mix",
        "_name",
        "_settings",
        "_shadow",
        "_trial",
        "alarms",
        "alarms_right",
        "changes",
        "played",
        "trials",
        "won",
    )

    def __init__(self, settings: LearningSettings, shadow: Shadow, ledger: Ledger, hedge: Hedge) -> None:
        self._settings = settings
        self._shadow, self._ledger, self._hedge = shadow, ledger, hedge
        self._mix: Contender | None = None
        self._trial: Contender | None = None
        self._name: Dependency = ""  # whose arm the trial changes
        self._failed: dict[tuple[Dependency, str], int] = {}  # how often that change was no gain
        self.played = False
        self.changes = self.trials = self.won = 0
        self.alarms = self.alarms_right = 0

    @property
    def plays(self) -> Mixture:
        """What the store should go by."""
        if self.played and self._mix is not None:
            return Mixture(self._settings.arms[0]) if self._mix.alarm.on else self._mix.mixture
        return Mixture(self._settings.arms[self._hedge.plays])

    def why(self, name: Dependency) -> str:
        """Why a dependency goes by the arm that it does, in a few words, and what is tried for it."""
        trial = self._trial
        tried = (
            f"; on trial for it: {trial.mixture.arm(name)}"
            if trial is not None and name == self._name
            else ""
        )
        if not self.played or self._mix is None:
            return self._hedge.why + tried
        if self._mix.alarm.on:
            return WHY + tried
        if name in self._mix.mixture.own:
            return f"with it the whole store was measured to be better than by any one arm for all{tried}"
        return f"as all that have none of their own{tried}"

    def watch(self, part: float, alone: float, lru: float, accesses: int, now_s: float) -> None:
        """Every turn; ``lru``: what it has cost since the last time, in misses, and ``alone``: in a zone that
        knows no other; ``part``: see `grown`."""
        for one in (self._mix, self._trial):
            if one is not None:
                one.watch(part, alone, accesses, now_s)
        if self.played and self._mix is not None:
            if self._mix.hours.fails(0):
                self._play(False)
            else:
                self._heed(self._mix, lru, accesses)

    def learn(self, costs: Sequence[float], part: float, requests: int, saved_s: float) -> None:
        """One batch: what each single arm has cost, in misses; a hit saves ``saved_s``."""
        per_miss_s = saved_s / requests
        single, base = costs[self._hedge.played], costs[self._hedge.leader]
        leader = base
        mix, trial = self._mix, self._trial
        for one in (mix, trial):
            if one is None:
                continue
            cost = one.batch(part)
            one.advantage.add((costs[0] - cost) * per_miss_s)
            one.edge.add((single - cost) * per_miss_s)
            one.lead.add((leader - cost) * per_miss_s)
            one.gain.add((base - cost) * per_miss_s)
            base = cost
        if trial is not None:
            self._judge(trial)
        if self._mix is not None:
            self._judge_mix(self._mix, per_miss_s)
        if self._trial is None:
            self._try_next()

    def skip(self) -> None:
        """A batch in which all single arms did the same says nothing."""
        for one in (self._mix, self._trial):
            if one is not None:
                one.batch(0.0)

    # ---- over a restart -----------------------------------------------------------------------------

    def export_state(self) -> dict[str, object] | None:
        """The mix and what speaks for it; None: there is none."""
        mix = self._mix
        if mix is None:
            return None
        return {
            "rest": mix.mixture.rest,
            "own": dict(mix.mixture.own),
            "played": self.played,
            "advantage": mix.advantage.export_state(),
            "edge": mix.edge.export_state(),
            "hours": mix.hours.export_state(_MIX),
        }

    def take_up(self, saved: SavedMix | None) -> None:
        """Go on with a mix that `saved_mix` read. One with arms that are none any more is forgotten."""
        settings = self._settings
        if saved is None or not {saved.mixture.rest, *saved.mixture.own.values()} <= set(settings.arms):
            return
        self._mix = self._contender(saved.mixture, self._shadow.arms[0])
        self._mix.advantage, self._mix.edge, self._mix.hours = saved.advantage, saved.edge, saved.hours
        self.played = saved.played

    # ---- inside -------------------------------------------------------------------------------------

    def _contender(self, mixture: Mixture, start: Arm) -> Contender:
        """Play a mixture in a shadow, beginning with what ``start`` holds."""
        names = self._ledger.names

        def arm_of(number: int) -> str:
            return mixture.arm(names[number])

        return Contender(mixture, self._shadow.rival(arm_of, start), self._settings)

    def _heed(self, mix: Contender, lru: float, accesses: int) -> None:
        """What the mix is played for may have stopped. If that is so, one has to be found anew."""
        rate, alarm = self._shadow.rate, mix.alarm
        rang = alarm.rang
        copies = rate * self._shadow.copies
        right = alarm.watch(rate * mix.failed, rate * accesses, lru - mix.cost, copies)
        self.alarms += alarm.rang - rang
        if right:
            self.alarms_right += 1
            self._play(False)
            self._forget(mix)

    def _forget(self, mix: Contender) -> None:
        """That mix is none any more, nor is what started from it."""
        self._shadow.leave(mix.shadow)
        self._mix = None
        self._end_trial()

    def _play(self, played: bool) -> None:
        self.changes += self.played != played
        self.played = played

    def _proved(self, one: Contender) -> bool:
        """Whether it may be played in place of the single arm: by the rules that those are played by."""
        settings = self._settings
        if self._hedge.trusting:
            return is_better(one.edge, settings)
        stands = one.hours.stands(0) and not one.hours.fails(0)
        return stands and may_leave(one.advantage, settings) and may_leave(one.edge, settings)

    def _judge(self, trial: Contender) -> None:
        settings, gain = self._settings, trial.gain
        if may_leave(gain, settings):
            if not self.played or self._proved(trial):
                self._take(trial)
        elif gain.values >= settings.trial_batches or _is_worse(gain, settings):
            change = self._name, trial.mixture.arm(self._name)
            self._failed[change] = self._failed.get(change, 0) + 1
            self._end_trial()

    def _take(self, trial: Contender) -> None:
        """What was tried is what the next trial starts from."""
        if self._mix is not None:
            self._shadow.leave(self._mix.shadow)
        self._mix, self._trial = trial, None
        self.won += 1
        if not trial.mixture.own and not self.played:  # one arm for all again, which has a shadow of its own
            self._shadow.leave(trial.shadow)
            self._mix = None

    def _judge_mix(self, mix: Contender, per_miss_s: float) -> None:
        if not self.played:
            if self._proved(mix):
                single = self._shadow.arms[self._hedge.played]
                # What it holds and the store does not has to be fetched: see `Hedge`.
                self._play(mix.edge.total >= self._shadow.apart(single, mix.shadow) * per_miss_s)
            elif _is_worse(mix.lead, self._settings):
                self._forget(mix)
            return
        lost = not self._hedge.trusting and must_return(mix.advantage, self._settings)
        if lost or _is_worse(mix.edge, self._settings) or mix.hours.fails(0):
            self._play(False)

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._shadow.leave(self._trial.shadow)
            self._trial = None

    def _try_next(self) -> None:
        """The change tried least; of these, that of the dependency with the most misses, towards the arm that
        has the fewest of them where it is played for all."""
        lines, settings = self._ledger.lines, self._settings
        requests = sum([line.requests for line in lines.values()])
        least = max(settings.trial_share * requests, settings.review_accesses)
        busy = [name for name, line in lines.items() if name != OTHER and line.requests >= least]
        if len(busy) < 2:
            return
        for change in [change for change in self._failed if change[0] not in lines]:
            del self._failed[change]
        leader = self._hedge.leader
        now = self._mix.mixture if self._mix is not None else Mixture(settings.arms[leader])
        now = Mixture(now.rest, {name: arm for name, arm in now.own.items() if name in lines})
        best: tuple[int, float, float, Dependency, str] | None = None
        for name in busy:
            missed = lines[name].missed.all
            for index, arm in enumerate(settings.arms):
                if arm != now.arm(name):
                    tried = self._failed.get((name, arm), 0)
                    rank = tried, -missed[0], missed[index], name, arm
                    best = rank if best is None or rank < best else best
        assert best is not None, "there are at least two arms"
        self._name = best[3]
        start = self._mix.shadow if self._mix is not None else self._shadow.arms[leader]
        self._trial = self._contender(now.but(best[3], best[4]), start)
        self.trials += 1


def _listed(names: Iterable[Dependency]) -> str:
    """The first few by name."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} others" if len(ordered) > _SHOWN else ""
    return ", ".join(ordered[:_SHOWN]) + more


def _is_worse(lead: Discounted, settings: LearningSettings) -> bool:
    """Whether it is measured to be behind, and not only for not having settled yet."""
    return lead.values >= 2 * settings.guard_batches and lead.upper(settings.guard_z) < 0.0


def saved_mix(obj: object, settings: LearningSettings) -> SavedMix | None:
    """What `Mixing.export_state` gave; None: there was no mix. `StateError` if it is something else."""
    if obj is None:
        return None
    if not isinstance(obj, dict) or not isinstance(obj.get("own"), dict):
        raise StateError("learning: the mix of arms is not a map")
    rest, own, played = obj.get("rest"), obj["own"], obj.get("played")
    named = all(isinstance(text, str) for text in (rest, *own, *own.values()))
    if not named or type(played) is not bool or len(own) > settings.max_dependencies:
        raise StateError("learning: the mix of arms is incomplete")
    return SavedMix(
        Mixture(str(rest), own),
        played,
        Discounted.restored(obj.get("advantage"), settings.decay),
        Discounted.restored(obj.get("edge"), settings.decay),
        Hours.restored(obj.get("hours"), _MIX, settings),
    )
