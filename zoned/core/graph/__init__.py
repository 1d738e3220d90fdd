"""GRAPH (the seed's Dependency Analyzer): what follows what."""

from zoned.core.graph.analyzer import Analyzer
from zoned.core.graph.settings import GraphSettings

__all__ = ["Analyzer", "GraphSettings"]
