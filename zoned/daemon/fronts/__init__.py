"""How accesses come in."""

from zoned.daemon.fronts.http import HttpFront
from zoned.daemon.fronts.keys import KeyFront

__all__ = ["HttpFront", "KeyFront"]
