"""The book of facts: registers that anyone may write and that come to read the same everywhere.

A fact is (kind, subject) -> value with a Lamport clock and its origin; of two facts on one subject the
greater (clock, origin) wins, whatever order they arrive in. That is all the coordination that "zone b is
being drained" or "movement is paused" needs: no leader, no quorum, and after a partition the
later word holds on both sides. Clocks are counters, not times, so a host with a wrong clock cannot win.

The book is bounded per kind and drops the *least* facts by one total order, the same on all agents: a full
book refuses what it would have dropped, so two full books cannot keep handing each other old facts. A
withdrawn fact (``OFF``) stays as a tombstone until newer ones push it out.

``out`` carries the incarnation that was declared out; a member heard of with a higher one has
refuted it (SWIM's own rule for the dead), so a return needs no second fact.

Rejected: vector clocks (nobody merges the two values of a switch), expiry by time (agents' clocks differ:
a fact would live in some books and be re-spread from there for ever).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoned.core.errors import StateError
from zoned.core.facts.settings import FactsSettings
from zoned.core.members import Fact, Member
from zoned.core.names import Instant, NodeName, Zone

DRAIN, PAUSE, INVALIDATE, OUT = KINDS = ("drain", "pause", "invalidate", "out")
ON, OFF = "on", "off"
EVERYWHERE = "*"  # the subject of a pause


class FactBook:
    """What this agent knows to have been said."""

    def __init__(self, settings: FactsSettings, me_node: NodeName) -> None:
        """An empty book."""
        self._settings = settings
        self._me = me_node
        self._clock = 0
        self._facts: dict[str, dict[str, Fact]] = {kind: {} for kind in KINDS}
        self._least: dict[str, Fact | None] = dict.fromkeys(KINDS)  # of each full kind; None while not full
        self._draining: tuple[Zone, ...] = ()
        self.counters: dict[str, int] = {"said": 0, "heard": 0, "older": 0, "refused": 0, "dropped": 0}

    def say(self, kind: str, subject: str, value: str, now: Instant) -> Fact:
        """State a fact newer than all that this agent has heard. ``now`` is not part of it: see above."""
        fact = Fact(kind, subject, value, self._clock + 1, self._me)
        assert self._speakable(fact), f"not a fact: {fact}"
        assert now.mono_s >= 0
        self.counters["said"] += 1
        kept = self._keep(fact)
        assert kept, "the newest fact of all must be kept"
        return fact

    def hear(self, fact: Fact) -> bool:
        """Take in what another agent said; True if it was news and is kept (and so is worth spreading)."""
        if not self._valid(fact):
            self.counters["refused"] += 1
            return False
        kept = self._keep(fact)
        self.counters["heard" if kept else "older"] += 1
        return kept

    def value(self, kind: str, subject: str) -> str | None:
        """What was last said of that subject; None if nothing was."""
        fact = self._facts.get(kind, {}).get(subject)
        return fact.value if fact else None

    def all(self) -> tuple[Fact, ...]:
        """Every fact kept, sorted by kind and subject."""
        return tuple(facts[subject] for _, facts in sorted(self._facts.items()) for subject in sorted(facts))

    def draining(self) -> tuple[Zone, ...]:
        """Zones being drained, sorted; the same object while nothing changed."""
        return self._draining

    @property
    def paused(self) -> bool:
        """Whether movement of copies is paused in the whole pool."""
        return _is_on(self.value(PAUSE, EVERYWHERE))

    def outs(self, members: Sequence[Member]) -> tuple[NodeName, ...]:
        """Which of these members are out: stated so at their incarnation or a later one. Sorted."""
        stated = self._facts[OUT]
        if not stated:
            return ()
        return tuple(
            sorted(
                member.node
                for member in members
                if (fact := stated.get(member.node)) is not None and _out_at(fact) >= member.incarnation
            )
        )

    def export_state(self) -> dict[str, Any]:
        """All facts and the clock, for msgpack. Subjects as bytes: a key need not be valid UTF-8."""
        facts = [[f.kind, _raw(f.subject), f.value, f.clock, f.origin] for f in self.all()]
        return {"clock": self._clock, "facts": facts}

    def restore_state(self, obj: dict[str, Any], now: Instant) -> None:
        """Take up a saved book; what was heard since stays. StateError, and nothing changed, on nonsense."""
        assert now.mono_s >= 0
        try:
            clock = obj["clock"]
            facts = [
                Fact(kind, subject.decode("utf-8", "surrogateescape"), value, said, origin)
                for kind, subject, value, said, origin in obj["facts"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"facts: {error!r}") from error
        if not isinstance(clock, int) or not 0 <= clock <= self._settings.max_clock:
            raise StateError(f"facts: clock {clock!r}")
        wrong = [fact for fact in facts if not self._valid(fact)]
        if wrong:
            raise StateError(f"facts: {wrong[0]!r}")
        for fact in facts:
            self._keep(fact)
        self._clock = max(self._clock, clock)

    # ---- inside ----------------------------------------------------------------------------------------

    def _keep(self, fact: Fact) -> bool:
        facts = self._facts[fact.kind]
        self._clock = max(self._clock, fact.clock)
        known = facts.get(fact.subject)
        least = self._least[fact.kind]
        if known is not None:
            if _age(fact) <= _age(known):
                return False
        elif least is not None and _age(fact) <= _age(least):
            self.counters["dropped"] += 1
            return False
        facts[fact.subject] = fact
        if len(facts) > self._settings.max_facts_per_kind:
            assert least is not None
            del facts[least.subject]
            self.counters["dropped"] += 1
        full = len(facts) >= self._settings.max_facts_per_kind
        self._least[fact.kind] = min(facts.values(), key=_age) if full else None
        if fact.kind == DRAIN:
            self._draining = tuple(sorted(zone for zone, said in facts.items() if _is_on(said.value)))
        return True

    def _valid(self, fact: Fact) -> bool:
        """What may be believed: nobody's clock may jump so far that no later word could win."""
        return self._speakable(fact) and 0 < fact.clock <= self._settings.max_clock

    def _speakable(self, fact: Fact) -> bool:
        """Right types, lengths within limits, a known kind; any clock."""
        settings = self._settings
        texts = (fact.kind, fact.subject, fact.value, fact.origin)
        if not all(isinstance(text, str) for text in texts) or type(fact.clock) is not int:
            return False
        if fact.kind not in self._facts:
            return False
        try:
            lengths = [len(_raw(text)) for text in texts]
        except UnicodeEncodeError:
            return False
        if not 0 < lengths[1] <= settings.max_subject_bytes or lengths[2] > settings.max_value_bytes:
            return False
        return 0 < lengths[3] <= settings.max_value_bytes and (fact.kind != OUT or _out_at(fact) >= 0)


def _age(fact: Fact) -> tuple[int, NodeName, str, str]:
    """The total order of facts. The value breaks the tie of an origin that said two things at one clock
    (it lost its state), the subject that of two subjects, so that all books agree even then."""
    return fact.clock, fact.origin, fact.value, fact.subject


def _raw(text: str) -> bytes:
    """The bytes of a text; those of a key that is no UTF-8 were escaped when it was made one."""
    return text.encode("utf-8", "surrogateescape")


def _is_on(value: str | None) -> bool:
    """A switch is on for any word but these; never stated means off."""
    return value not in (None, "", "0", OFF, "false")


def _out_at(fact: Fact) -> int:
    """The incarnation that was declared out; -1 if the value is no such number."""
    return int(fact.value) if fact.value.isascii() and fact.value.isdecimal() and len(fact.value) < 20 else -1
