"""Facts: what any agent may say and all must come to know."""

from zoned.core.facts.book import DRAIN, EVERYWHERE, INVALIDATE, OFF, ON, OUT, PAUSE, FactBook
from zoned.core.facts.settings import FactsSettings

__all__ = ["DRAIN", "EVERYWHERE", "INVALIDATE", "OFF", "ON", "OUT", "PAUSE", "FactBook", "FactsSettings"]
