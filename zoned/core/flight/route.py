"""Where to look for an instance that this zone does not hold, in which order.

The order is: the agent of this zone that owns the shard (so that a zone asks once); the nearest holders
that the directory names, the busy after the others; where it names none and no owner is to look for us, the
former owner of a shard that has just changed hands; where coalescing over the fabric was asked for, or pays
(`duplicates`), the shard's owner; last the origin. Holders come before the owner because they cost one
round trip and no origin fetch; the owner's hop costs a cold miss a round trip, which pays only where zones
ask for the same new thing at the same time (warmth.md, point 5).

Loops cannot happen: a COPY or PREFETCH read never makes its receiver fetch, and a forwarded read (OWNER)
is answered by way of holders or the origin only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from zoned.core.flight.flight import TO_ORIGIN, Step, StepKind
from zoned.core.names import NodeName

Route: TypeAlias = tuple[Step, ...]


class RouteQuery(NamedTuple):
    """What a route depends on. Owners: "" where there is none to ask."""

    me: NodeName
    holders: tuple[NodeName, ...]  # whose digests claim a copy
    zone_owner: NodeName  # the agent of this zone that owns the shard
    fabric_owner: NodeName  # the shard's first owner, when its dependency coalesces over the fabric
    former_owner: NodeName  # who owned the shard before the ring changed, and may still hold it
    asker: NodeName  # who forwarded the read to us, "" for a client of our own
    prefetch: bool
    preferred: NodeName  # a holder to ask first, "" for none


def plan_route(
    query: RouteQuery,
    reachable: Callable[[NodeName], bool],
    distance: Callable[[NodeName], tuple[bool, float]],
    max_holders: int,
    origin_tries: int,
) -> Route:
    """The steps of one flight, first to last. Only reachable members are asked; the origin always is."""
    prefetch = query.prefetch
    kind = StepKind.PREFETCH if prefetch else StepKind.HOLDER
    steps: list[Step] = []
    asked = {query.me, query.asker}
    if query.preferred and query.preferred not in asked and reachable(query.preferred):
        steps.append(Step(kind, query.preferred))
        asked.add(query.preferred)
    forwarded = bool(query.asker) or prefetch
    if not forwarded and query.zone_owner and query.zone_owner not in asked and reachable(query.zone_owner):
        steps.append(Step(StepKind.OWNER, query.zone_owner))
        asked.add(query.zone_owner)
    holders = [node for node in query.holders if node not in asked and reachable(node)]
    if len(holders) > 1:
        holders.sort(key=lambda node: (*distance(node), node))
    for node in holders[:max_holders]:
        steps.append(Step(kind, node))
        asked.add(node)
    home = query.fabric_owner
    asks_home = not forwarded and home and home not in asked and reachable(home)
    former = query.former_owner
    if former and not asks_home and not steps and former not in asked and reachable(former):
        steps.append(Step(kind, former))
    if asks_home:
        steps.append(Step(StepKind.OWNER, home))
    steps.extend([TO_ORIGIN] * (1 if prefetch else origin_tries))
    return tuple(steps)
