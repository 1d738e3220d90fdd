"""CACHE CONTROLLER: what this zone holds, what has to go, how fresh it is, and who else holds what."""

from __future__ import annotations

from zoned.core.cache.controller import CacheController
from zoned.core.cache.elsewhere import Elsewhere
from zoned.core.cache.going import Going
from zoned.core.cache.heat import Heat
from zoned.core.cache.settings import CacheSettings

__all__ = ["CacheController", "CacheSettings", "Elsewhere", "Going", "Heat"]
