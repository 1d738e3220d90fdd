"""PREFETCH: which copies are fetched before anyone asks, in which order, and within which budget."""

from __future__ import annotations

from zoned.core.prefetch.prefetcher import Prefetcher
from zoned.core.prefetch.settings import PrefetchSettings

__all__ = ["PrefetchSettings", "Prefetcher"]
