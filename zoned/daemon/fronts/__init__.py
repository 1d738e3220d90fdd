"""How accesses come in."""

from zoned.daemon.fronts.http import HttpFront

__all__ = ["HttpFront"]
