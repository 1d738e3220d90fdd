"""Placement: which copies this zone should have, and how a zone gives up its own (the DEPENDENCY MANAGER)."""

from zoned.core.placement.planner import Planner
from zoned.core.placement.policy import adjust_dependencies
from zoned.core.placement.rehearsal import Stage, rehearse
from zoned.core.placement.room import room_of
from zoned.core.placement.roster import Roster
from zoned.core.placement.settings import PlacementSettings
from zoned.core.placement.warming import Flips, Phase, Warming

__all__ = [
    "Flips",
    "Phase",
    "PlacementSettings",
    "Planner",
    "Roster",
    "Stage",
    "Warming",
    "adjust_dependencies",
    "rehearse",
    "room_of",
]
