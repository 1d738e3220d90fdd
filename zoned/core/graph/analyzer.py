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

from collections import OrderedDict

from zoned.core.errors import StateError
from zoned.core.graph.associations import Associations
from zoned.core.graph.fresh import Fresh
from zoned.core.graph.settings import GraphSettings
from zoned.core.members import PairsHeard, Sighting
from zoned.core.names import InstanceKey, Instant, KeyHash
from zoned.core.records import Association

Trail = dict[KeyHash, float]  # instance -> mono seconds of its occurrence; oldest first


class Analyzer:
    """The graph stage."""

    __slots__ = ("_fresh", "_pairs", "_settings", "_trails", "counters")

    def __init__(self, settings: GraphSettings) -> None:
        self._settings = settings
        self._pairs = Associations(settings)
        self._fresh = Fresh(settings)
        self._trails: OrderedDict[bytes, Trail] = OrderedDict()  # the least recently active first
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

    def access(
        self, key: InstanceKey, key_hash: KeyHash, client: bytes, now: Instant
    ) -> tuple[Association, ...]:
        """[hot] Learn from one access, and say what is believed to follow it. Empty when nothing is."""
        settings = self._settings
        if not client or not settings.association:
            return ()
        at_s = now.mono_s
        trail = self._trails.get(client)
        if trail is None:
            trail = self._start(client)
        else:
            self._trails.move_to_end(client)
            if next(iter(trail.values())) <= at_s - settings.recent_s:
                _forget_before(trail, at_s - settings.recent_s)
            self._teach(trail, key, key_hash, at_s)
        following = self._pairs.after(key_hash)
        # Counted after the prediction: this occurrence could not have been followed by anything yet.
        if not trail or next(reversed(trail)) != key_hash:
            trail.pop(key_hash, None)
            trail[key_hash] = at_s
            if len(trail) > settings.recent_instances:
                del trail[next(iter(trail))]
            self._pairs.occurred(key, key_hash)
            self._fresh.occurred(key, key_hash)
        if following:
            self.counters["predictions"] += len(following)
        return following

    def update(self, now: Instant) -> None:
        """Once a turn: forget the clients that have been silent for longer than a trail lasts."""
        before_s = now.mono_s - self._settings.recent_s
        trails = self._trails
        while trails:
            client, trail = next(iter(trails.items()))
            if trail and next(reversed(trail.values())) > before_s:
                break
            del trails[client]
        self.counters["clients"] = len(trails)
        self.counters["sightings_dropped"] = self._fresh.dropped
        self.counters["antecedents"] = len(self._pairs)
        self.counters["antecedents_dropped"] = self._pairs.antecedents_dropped
        self.counters["successors_dropped"] = self._pairs.successors_dropped

    def take_sightings(self, now: Instant) -> tuple[Sighting, ...]:
        """What to tell the other zones: evidence of our own since the last time."""
        return self._fresh.take(now.mono_s, self._pairs.leading)

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

    def _start(self, client: bytes) -> Trail:
        trail: Trail = {}
        self._trails[client] = trail
        if len(self._trails) > self._settings.max_clients:
            self._trails.popitem(last=False)
            self.counters["clients_dropped"] += 1
        return trail

    def _teach(self, trail: Trail, key: InstanceKey, hashed: KeyHash, at_s: float) -> None:
        """Count ``key`` as a successor of what came early enough before it, and after its own last access."""
        followed = self._pairs.followed
        early_enough_s = at_s - self._settings.min_lead_s
        counts = hashed not in trail
        for earlier, since_s in trail.items():
            if since_s >= early_enough_s:
                return  # and so are all that follow
            if earlier == hashed:
                counts = True
            elif counts:
                followed(earlier, key, hashed, at_s - since_s)
                self._fresh.followed(earlier, key, at_s - since_s)


def _forget_before(trail: Trail, before_s: float) -> None:
    for key in [key for key, since_s in trail.items() if since_s <= before_s]:
        del trail[key]
