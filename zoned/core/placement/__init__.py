"""Placement: which copies this zone should have, and how a zone gives up its own (the DEPENDENCY MANAGER)."""

from zoned.core.placement.settings import PlacementSettings

__all__ = ["PlacementSettings"]
