"""Where instances come from when no zone holds them."""

from zoned.daemon.origins.http import HttpOrigin, OriginSettings, origin_session

__all__ = ["HttpOrigin", "OriginSettings", "origin_session"]
