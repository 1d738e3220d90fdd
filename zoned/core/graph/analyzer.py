"""GRAPH: learns what follows what, per client, and says it at once.

For each client a *trail* of its last few distinct instances is kept. An access teaches the pair (each
instance of the trail, this one), if what came first came early enough for the second to be fetched
meanwhile: what cannot arrive in time teaches nothing. Then the access itself is an antecedent, and what is
believed to follow it is returned, for a prefetch that starts now: a second later it is worth nothing.

Counting so that a confidence is a probability (never over 1): an access repeated without another in
between is one occurrence, timed from the first; a successor counts once per occurrence, so it teaches only
those that came after its own last access.

Accesses without a client teach nothing: neighbours in time of different users are not a sequence.
"""

from __future__ import annotations

from zoned.core.errors import StateError
from zoned.core.graph.associations import Associations
from zoned.core.graph.fresh import Fresh
from zoned.core.graph.settings import GraphSettings
from zoned.core.graph.trails import AGES, Trail, Trails, follows, ms_of
from zoned.core.members import PairsHeard, Sighting
from zoned.core.names import FINGERPRINT_MASK, Fingerprint, InstanceKey, Instant, KeyHash
from zoned.core.promises import MOST_AGREEING, NO_PACE_S, NOTHING, Association, Following


class Analyzer:
    """The graph stage."""

    __slots__ = ("_fresh", "_lead_ms", "_pairs", "_recent_ms", "_settings", "_trail", "_trails", "counters")

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._pairs = Associations(settings)
        self._fresh = Fresh(settings)
        self._trails = Trails(settings.max_clients)
        self._trail: Trail = [], []  # of the latest access, itself the last
        self._recent_ms = round(settings.recent_s * 1e3)
        self._lead_ms = round(settings.min_lead_s * 1e3)
        self.counters: dict[str, int | float] = {
            "predictions": 0,
            "antecedents": 0,
            "antecedents_dropped": 0,
            "successors_dropped": 0,
            "sightings_dropped": 0,
            "sightings_heard": 0,
            "clients": 0,
            "clients_dropped": 0,
        }

    def access(self, key: InstanceKey, key_hash: KeyHash, client: bytes, now: Instant) -> Following:
        """[hot] Learn from one access, and say what is believed to follow it. Empty when nothing is."""
        settings = self._settings
        if not client or not settings.association:
            return NOTHING
        at_ms = ms_of(now.mono_s)
        name = key_hash & FINGERPRINT_MASK or 1
        names, times = self._trails.take(client, self._recent_ms, at_ms)
        for place in follows(name, names, times, self._lead_ms, at_ms):
            self._teach(names[place], times[place], key, key_hash, at_ms)
        again = bool(names) and names[-1] == name
        if not again:
            _append(names, times, name, at_ms, settings.recent_instances)
        pace_s = (times[-1] - times[-2] & AGES) / 1e3 if len(times) > 1 else NO_PACE_S
        following = self._pairs.after(key_hash, names, pace_s)
        if not again:  # counted after the prediction: nothing could have followed this occurrence yet
            row = self._pairs.occurred(key, key_hash)
            self._fresh.occurred(self._pairs.antecedents, row, at_ms)
        self._trail = names, times
        self._trails.put(client, self._trail)
        if following:
            self.counters["predictions"] += len(following)
        return following

    def agreeing(self, one: Association) -> int:
        """[hot] How many of the last few other instances of that trail are followed by it, too: of one of
        those that the latest access gave. Told apart from them, as it costs a look-up for each."""
        return (
            0 if one.repeated else self._pairs.leading(self._trail[0][-1 - MOST_AGREEING : -1], one.key_hash)
        )

    def update(self, now: Instant) -> None:
        """Once a turn: forget the clients that have been silent for longer than a trail lasts."""
        self._trails.forget(self._recent_ms, ms_of(now.mono_s))
        self.counters["clients"] = len(self._trails)
        self.counters["clients_dropped"] = self._trails.dropped
        self.counters["sightings_dropped"] = self._fresh.dropped
        self.counters["antecedents"] = len(self._pairs)
        self.counters["antecedents_dropped"] = self._pairs.antecedents_dropped
        self.counters["successors_dropped"] = self._pairs.successors_dropped

    def take_sightings(self, now: Instant) -> tuple[Sighting, ...]:
        """What to tell the other zones: evidence of our own since the last time."""
        return self._fresh.take(now.mono_s, self._pairs.antecedents)

    def heard(self, news: PairsHeard) -> None:
        """Evidence of another zone: as good as our own."""
        if self._settings.association:
            for sighting in news.sightings:
                self._pairs.merge(*sighting)
            self.counters["sightings_heard"] += len(news.sightings)

    def export_state(self) -> dict[str, object]:
        """The most supported pairs. Trails are not kept: they are minutes old by then."""
        return {"associations": self._pairs.export_state()}

    def restore_state(self, obj: object, now: Instant) -> None:
        """Take over what `export_state` gave. `StateError` if that is not what it is."""
        if not isinstance(obj, dict):
            raise StateError("graph: state is not a map")
        self._pairs.restore_state(obj.get("associations"))

    def _teach(
        self, antecedent: Fingerprint, since_ms: int, key: InstanceKey, hashed: KeyHash, at_ms: int
    ) -> None:
        lag_s = (at_ms - since_ms & AGES) / 1e3
        row = self._pairs.followed(antecedent, key, hashed, lag_s)
        if row:
            self._fresh.followed(self._pairs.antecedents, row, since_ms, key, lag_s)


def _append(names: list[Fingerprint], times: list[int], name: Fingerprint, at_ms: int, most: int) -> None:
    """It is the latest of the trail, where it occurs once."""
    if name in names:
        place = names.index(name)
        del names[place], times[place]
    names.append(name)
    times.append(at_ms)
    if len(names) > most:
        del names[0], times[0]
