"""Facts: what any agent may say and all must come to know."""

from zoned.core.facts.settings import FactsSettings

__all__ = ["FactsSettings"]
