"""How accesses come in."""

from zoned.daemon.fronts.http import HttpFront
from zoned.daemon.fronts.keys import KeyFront
from zoned.daemon.fronts.resp import RespFront

__all__ = ["HttpFront", "KeyFront", "RespFront"]
