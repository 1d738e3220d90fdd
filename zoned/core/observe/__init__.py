"""OBSERVE (the seed's Monitoring System): what was used in this zone, from where, and how long it took."""

from zoned.core.observe.observer import DependencyTotals, Observer
from zoned.core.observe.settings import ObserveSettings

__all__ = ["DependencyTotals", "ObserveSettings", "Observer"]
