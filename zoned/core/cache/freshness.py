"""How long a copy is fresh, and what it may still be used for after that (RFC 9111, RFC 5861).

Times are on the monotonic clock. Whose word counts: the operator's time to live for
the dependency, else what the origin said, else the default. A copy that comes from another agent has aged
already: it brings the seconds it has *left*, and the operator's word may only shorten them. Otherwise a
copy that is handed from zone to zone would be born again with each hop and never expire.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from zoned.core.cache.holdings import Holdings
from zoned.core.cache.index import USED
from zoned.core.cache.settings import CacheSettings
from zoned.core.names import Dependency, InstanceKey, Instant, KeyHash, key_hash
from zoned.core.records import DependencyPolicy, Entry, Evicted, Lookup

NO_POLICY = DependencyPolicy(name="")
_SWEEP_PAUSE_S = 1.0


def lifetime_s(
    policy: DependencyPolicy, default_ttl_s: float | None, said_s: float | None, from_peer: bool
) -> float:
    """Seconds that a copy just received is fresh; infinity: for ever, <= 0: not at all.

    ``said_s`` is what its source said: None from an origin = nothing, None from a peer = it does not expire.
    """
    if from_peer:
        said = inf if said_s is None else said_s
        return said if policy.ttl_s is None else min(said, policy.ttl_s)
    for word in (policy.ttl_s, said_s, default_ttl_s):
        if word is not None:
            return word
    return inf


def kept_s(policy: DependencyPolicy) -> float:
    """Seconds past its expiry that a copy may still be served, for one reason or another."""
    return max(0.0, policy.stale_while_revalidate_s, policy.stale_if_error_s)


class Ageing:
    """What time does to the copies: expiry, what an expired copy is still good for, what is due for refresh.

    A look-up sees an expired copy at once; the rest is found by scanning a column, which for a million copies
    is quicker than keeping a heap of deadlines: once a turn, and when the next copy expires that the digest
    claims (``sweep_due_s``), for a quiet node turns seldom, and others would ask in vain until it does.
    """

    def __init__(
        self, settings: CacheSettings, policies: Mapping[Dependency, DependencyPolicy], held: Holdings
    ) -> None:
        self._settings = settings
        self._policies = policies
        self._held = held
        self._index = held.index
        # By dependency number, past a copy's expiry: served while revalidated, kept for one use or another.
        self._stale_s, self._kept_s = [0.0], [0.0]
        self._expired: dict[KeyHash, Evicted] = {}  # dropped by look-ups; the store does not know yet
        self._halve_s = inf  # when counts of uses are halved next
        self.next_refresh_s = inf  # when the next copy comes due, as of the last ``expiring``
        self._sweep_due_s = inf
        self._swept_s = -inf
        self._none_before_s = inf  # no copy that is here expires earlier
        self.now_s = 0.0  # the latest time we were told

    def tell(self, now: Instant) -> float:
        """Note the time; halve the counts of uses when that is due."""
        now_s = self.now_s = now.mono_s
        if now_s >= self._halve_s:
            self._index.halve_heat()
            self._halve_s = now_s + self._settings.heat_half_life_s
        elif self._halve_s == inf:
            self._halve_s = now_s + self._settings.heat_half_life_s
        return now_s

    def number(self, dependency: Dependency, policy: DependencyPolicy) -> int | None:
        """The dependency's number in the index; its stale windows are noted at first sight."""
        number = self._index.number(dependency)
        if number == len(self._stale_s):
            self._stale_s.append(max(0.0, policy.stale_while_revalidate_s))
            self._kept_s.append(kept_s(policy))
        return number

    def past_expiry(self, slot: int, now_s: float) -> Lookup:
        """What an expired copy is still good for. For nothing: it is dropped."""
        index = self._index
        over_s, number = now_s - index.expires_s[slot], index.dependencies[slot]
        if over_s < self._stale_s[number]:
            return Lookup.STALE
        if over_s >= self._kept_s[number]:
            gone = self._held.expire(slot, now_s)
            self._expired[gone.key_hash] = gone
        return Lookup.MISS

    def stale_for_error(self, key: InstanceKey, now: Instant) -> Entry | None:
        """The copy to serve when its source failed: fresh, or within ``stale_if_error_s``."""
        slot = self._index.find(key, key_hash(key))
        if slot is None:
            return None
        policy = self._policies.get(key.dependency, NO_POLICY)
        over_s = now.mono_s - self._index.expires_s[slot]
        return self._held.entry(slot) if over_s < max(0.0, policy.stale_if_error_s) else None

    def take_expired(self, coming: KeyHash | None = None) -> list[Evicted]:
        """What look-ups dropped since last time, but for ``coming``: the store is about to get it anew."""
        if not self._expired:
            return []
        if coming is not None:
            self._expired.pop(coming, None)
        taken = list(self._expired.values())
        self._expired.clear()
        return taken

    def sweep(self, now: Instant) -> tuple[Evicted, ...]:
        """Drop what has expired for good (bounded per call), and what look-ups found so: tell the store.

        Copies that are only kept in case of errors or revalidation leave the digest: they are not for peers.
        """
        now_s = self.tell(now)
        evicted = self.take_expired()
        if now_s < self._none_before_s and now_s < self._sweep_due_s:  # every second, where nothing has a TTL
            return tuple(evicted)
        gone, silent = self._index.over(now_s, self._kept_s)
        evicted += [self._held.expire(slot, now_s) for slot in gone[: self._settings.max_sweep]]
        for slot in silent:
            self._held.silence(slot)
        self._swept_s, self._sweep_due_s = now_s, inf
        self.expires(max(now_s, self._index.next_over()))
        self._none_before_s = self._index.first_expiry()
        return tuple(evicted)

    def expires(self, at_s: float) -> None:
        """A copy that the digest claims expires then."""
        if at_s < self._none_before_s:
            self._none_before_s = at_s
        if at_s < self._sweep_due_s:
            self._sweep_due_s = max(at_s, self._swept_s + _SWEEP_PAUSE_S)

    def sweep_due_s(self) -> float:
        """When a claim of the digest is over (mono seconds), at most once a second; infinite: never."""
        return self._sweep_due_s

    def expiring(self, now: Instant) -> tuple[Entry, ...]:
        """Copies worth a refresh that expire soon, most used first, bounded.

        Soon: within ``refresh_within_s``, and within the last ``refresh_share`` of the copy's life. Of those
        that are not due yet, the first one's time is noted: a quiet node sleeps longer than that share lasts.
        """
        now_s = self.tell(now)
        index, settings = self._index, self._settings
        flags, heat, stored_s, expires_s = index.flags, index.heat, index.stored_s, index.expires_s
        share, least = settings.refresh_share, settings.refresh_min_uses
        due: list[tuple[int, int]] = []
        next_s = inf
        for slot in index.expiring(now_s, now_s + settings.refresh_within_s):
            if flags[slot] & USED and heat[slot] >= least:
                due_s = expires_s[slot] - share * (expires_s[slot] - stored_s[slot])
                if due_s <= now_s:
                    due.append((-heat[slot], slot))
                elif due_s < next_s:
                    next_s = due_s
        self.next_refresh_s = next_s
        due.sort()
        return tuple([self._held.entry(slot) for _, slot in due[: settings.max_refreshes]])
