"""The cache controller: what this zone holds, what has to go, how fresh it is, and who else holds what.

It knows names, sizes and times, never bytes: the world's store keeps those and does what ``Admission``
says. A look-up is on the path of every read, so it touches one dictionary, a few columns and the eviction
order, and leaves everything else to the turn: expired copies are found by scanning a column (``sweep``),
digest changes are netted until somebody takes them.

The parts: ``holdings`` (index, eviction order, digest, outcomes), ``choice`` (who goes by which eviction
policy), ``freshness`` (what time does), ``directory`` (the other members' claims), ``heat`` (what to remember
over a restart). For a store that evicts by itself this index is what we *believe*: its losses come back as
``drop``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zoned.core.cache.choice import Choice
from zoned.core.cache.directory import Directory
from zoned.core.cache.freshness import NO_POLICY, Ageing, kept_s, lifetime_s
from zoned.core.cache.heat import Heat, Warmth, heat_of, heat_rows
from zoned.core.cache.holdings import Copy, Holdings
from zoned.core.cache.index import MAX_HEAT, REASON_SHIFT, REASONS, USED
from zoned.core.cache.settings import CacheSettings
from zoned.core.errors import StateError
from zoned.core.eviction import EVICTIONS, Hosting, Worth
from zoned.core.names import Dependency, Fingerprint, InstanceKey, Instant, KeyHash, key_hash
from zoned.core.records import (
    GUESSES,
    Admission,
    DependencyPolicy,
    Entry,
    Evicted,
    Lookup,
    PrefetchOutcome,
    Reason,
)

_HIT, _STALE, _MISS = Lookup.HIT, Lookup.STALE, Lookup.MISS
_NONE: Mapping[Dependency, str] = {}
_ORDERED = "replicate"  # the policy of dependencies whose homes keep copies, guess or no guess
_STATE_VERSION = 1
_MOST_TOUCHES = 3  # further ones at the same moment make no difference to any eviction policy


class CacheController:
    """Implements ``records.Contents``. ``policies`` by the dependency's name."""

    def __init__(
        self,
        settings: CacheSettings,
        policies: Mapping[Dependency, DependencyPolicy],
        worth: Worth | None = None,
    ) -> None:
        """``worth``: what copies are worth; needed where the policy ``value`` may be used."""
        self._settings = settings
        self._policies = policies
        self._held = Holdings(settings, worth)
        self._index = self._held.index
        self._find = self._held.index.table.find
        self._touch = self._held.policy.hit
        self._ageing = Ageing(settings, policies, self._held)
        self.counters = self._held.counters
        self.max_saved_keys = settings.max_saved_keys
        self.directory = Directory(
            settings.max_directory_fingerprints, self.counters, settings.false_claim_wait_s
        )
        self._warmth = Warmth(())
        # Parts of the interface that a part fulfils alone.
        self.entries = self._held.entries
        self.fingerprints = self._held.fingerprints
        self.capacity_left = self._held.capacity_left
        self.choice = Choice(self._held, settings.eviction, settings.guess_share)
        self.takes = self.choice.takes
        self.keeps_guess = self.choice.keeps_guess
        self.stay_s = self._held.stay_s
        self.life = self._index.life
        self.take_uses = self._held.take_uses
        self.sweep = self._ageing.sweep
        self.sweep_due_s = self._ageing.sweep_due_s
        self.expiring = self._ageing.expiring
        self.stale_for_error = self._ageing.stale_for_error
        self.heard = self.directory.heard
        self.gone = self.directory.gone
        self.holders = self.directory.holders
        self.false_positive = self.directory.false_positive
        self.directory_sizes = self.directory.sizes

    def __len__(self) -> int:
        return len(self._index)

    # ---- reads ----------------------------------------------------------------------------------

    def lookup(self, key: InstanceKey, key_hash: KeyHash, now: Instant) -> Lookup:
        """A client of this zone asks. A HIT or STALE is a use: it counts for eviction and for prefetches."""
        slot = self._find(key_hash)
        if slot < 0:
            return _MISS
        index = self._index
        if index.keys[slot] != key[1] or index.names[index.dependencies[slot]] != key[0]:
            return _MISS
        now_s = self._ageing.now_s = now[0]
        found = _HIT
        if now_s >= index.expires_s[slot]:
            found = self._ageing.past_expiry(slot, now_s)
            if found is _MISS:
                return _MISS
        self._touch(slot)
        heat = index.heat[slot]
        if heat < MAX_HEAT:
            index.heat[slot] = heat + 1
        if not index.flags[slot] & USED:
            self._held.used(slot, now_s)
        return found

    def used(self, key: InstanceKey, key_hash: KeyHash, times: int, now: Instant) -> int:
        """The world served our copy so often without asking: that counts as look-ups that hit do. The copy's
        size; 0 when it has gone since."""
        slot = self._index.find(key, key_hash)
        if slot is None:
            return 0
        for _ in range(times if times < _MOST_TOUCHES else _MOST_TOUCHES):
            self._touch(slot)
        index = self._index
        index.heat[slot] = min(MAX_HEAT, index.heat[slot] + times)
        if not index.flags[slot] & USED:
            self._held.used(slot, now[0])
        return self._held.policy.size_of(slot)

    def peer_lookup(self, key: InstanceKey, key_hash: KeyHash, now: Instant, touch: bool) -> Entry | None:
        """Another agent asks: our copy, if fresh. ``touch``: it asks because somebody there wants it now.

        That keeps the copy here (if ``touch_for_peers``), but is a use of a prefetch only where the prefetch
        was meant for others too (HOME).
        """
        slot = self._index.find(key, key_hash)
        if slot is None or now[0] >= self._index.expires_s[slot]:
            return None
        if touch:
            policy = self._held.policy
            hosted = isinstance(policy, Hosting) and policy.renew(slot)  # it is of no use to us
            if self._settings.touch_for_peers and not hosted:
                self._touch(slot)
            flags = self._index.flags[slot]
            if REASONS[flags >> REASON_SHIFT] is Reason.HOME and not flags & USED:
                self._held.used(slot, now[0])
        return self._held.entry(slot)

    def entry(self, key: InstanceKey, hashed: KeyHash | None = None) -> Entry | None:
        """What is known of the copy, fresh or not. ``hashed`` spares computing it."""
        slot = self._index.find(key, key_hash(key) if hashed is None else hashed)
        return None if slot is None else self._held.entry(slot)

    def holds(self, key: InstanceKey, hashed: KeyHash | None = None) -> bool:
        """Whether there is a copy that was not expired when we were last told the time. ``hashed`` spares
        computing it."""
        slot = self._index.find(key, key_hash(key) if hashed is None else hashed)
        return slot is not None and self._ageing.now_s < self._index.expires_s[slot]

    # ---- changes --------------------------------------------------------------------------------

    def admit(
        self,
        key: InstanceKey,
        key_hash: KeyHash,
        size: int,
        version: str,
        ttl_s: float | None,
        reason: Reason,
        now: Instant,
        from_peer: bool = False,
        asked: bool = False,
    ) -> Admission:
        """A fetch brought this: keep it? ``ttl_s`` is what the source said of freshness.

        ``from_peer``: the copy comes from another agent, and ``ttl_s`` is what is left of its life (None: it
        does not expire). ``asked``: somebody waits for it, whatever it was fetched for. Refused are what is
        too large, what would be expired at once, and guesses without a place; an older copy goes then too.
        ``evicted`` also names copies that look-ups found expired since the last change.
        """
        now_s = self._ageing.tell(now)
        policy = self._policies.get(key.dependency, NO_POLICY)
        fresh_s = lifetime_s(policy, self._settings.default_ttl_s, ttl_s, from_peer)
        number = self._ageing.number(key.dependency, policy)
        evicted = self._ageing.take_expired(key_hash)
        if size > policy.max_object_bytes or fresh_s + kept_s(policy) <= 0 or number is None:
            evicted += self._held.refuse(key, key_hash, now_s)
            return Admission(stored=False, evicted=tuple(evicted))
        guess = not asked and (reason in GUESSES or (reason is Reason.HOME and policy.policy != _ORDERED))
        copy = Copy(key, key_hash, number, size, version, now_s + fresh_s, reason, guess)
        stored, pushed_out = self._held.store(copy, now_s)
        if stored:
            self._ageing.expires(copy.expires_s)
            self._warmth.warmed(key_hash)
        return Admission(stored=stored, evicted=(*evicted, *pushed_out))

    def drop(self, key: InstanceKey, key_hash: KeyHash) -> bool:
        """The copy may not be served any more, or the store has lost it. False if there was none."""
        slot = self._index.find(key, key_hash)
        if slot is None:
            return False
        self._held.drop(slot, self._ageing.now_s)
        return True

    def drop_dependency(self, dependency: Dependency) -> tuple[Evicted, ...]:
        """No copy of the dependency may be served any more."""
        return tuple([self._held.drop(slot, self._ageing.now_s) for slot in self._index.slots_of(dependency)])

    def advise(
        self,
        eviction: str,
        evictions: Mapping[Dependency, str] = _NONE,
        recent: Sequence[KeyHash] = (),
    ) -> None:
        """The learner's choice of eviction policy, and of the dependencies that go by another; followed where
        the setting is ``auto``. ``recent``: what LRU would hold, next to go first, as far as known."""
        if self.choice.follow(eviction, evictions, recent):
            self._touch = self._held.policy.hit

    # ---- the turn -------------------------------------------------------------------------------

    def take_digest_changes(self) -> tuple[tuple[Fingerprint, ...], tuple[Fingerprint, ...]]:
        """(gained, lost) fingerprints since last time, net. Also gives the directory its turn to tidy."""
        self.directory.tidy()
        return self._held.digest.take()

    def outcomes(self) -> tuple[PrefetchOutcome, ...]:
        """How prefetches fared, as of the last time we were told."""
        return self._held.outcomes.all(self._ageing.now_s)

    # ---- status and state -----------------------------------------------------------------------

    @property
    def eviction(self) -> str:
        """The policy of all copies whose dependency has none of its own (see ``choice``)."""
        return self.choice.eviction

    @property
    def used_bytes(self) -> int:
        """Sum of the sizes held."""
        return self._held.policy.used_bytes

    @property
    def next_refresh_s(self) -> float:
        """When the next copy comes due for refresh (mono seconds), as of the last ``expiring``; infinite: no
        copy is about to."""
        return self._ageing.next_refresh_s

    @property
    def warm_ratio(self) -> float:
        """Of the uses of what was hot at the last stop, the share whose copies were had again since; 1.0
        where nothing was saved."""
        return self._warmth.ratio

    def export_state(self) -> dict[str, object]:
        """What survives a restart: the hottest names, the outcomes, the eviction policy."""
        return {
            "version": _STATE_VERSION,
            "eviction": self.eviction,
            "keys": heat_rows(self._index, self._held.policy, self._settings.max_saved_keys),
            "outcomes": self._held.outcomes.export(self._ageing.now_s),
        }

    def restore_state(self, obj: Mapping[str, object], now: Instant) -> None:
        """Take ``export_state``'s answer back; StateError, and no change, when it is something else."""
        if not isinstance(obj, Mapping) or obj.get("version") != _STATE_VERSION:
            raise StateError("cache: not a saved state of this version")
        eviction = obj.get("eviction")
        if eviction not in EVICTIONS:
            raise StateError(f"cache: unknown eviction policy {str(eviction)[:40]!r}")
        heat = heat_of(obj.get("keys"), self._settings.max_saved_keys)
        self._held.outcomes.restore(obj.get("outcomes"), self._ageing.tell(now))
        self._warmth = Warmth(heat)
        self.advise(str(eviction))

    def heat_list(self) -> tuple[Heat, ...]:
        """What was hot when the state restored was saved, hottest first: worth fetching after a restart."""
        return self._warmth.saved
