"""Facts: what any agent may say and all must come to know."""

from zoned.core.facts.book import DRAIN, EVERYWHERE, INVALIDATE, OFF, ON, OUT, PAUSE, FactBook
from zoned.core.facts.settings import FactsSettings
from zoned.core.facts.subjects import parse_subject, subject_of

__all__ = [
    "DRAIN",
    "EVERYWHERE",
    "INVALIDATE",
    "OFF",
    "ON",
    "OUT",
    "PAUSE",
    "FactBook",
    "FactsSettings",
    "parse_subject",
    "subject_of",
]
