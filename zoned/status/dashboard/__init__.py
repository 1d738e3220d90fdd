"""One page for people: what this agent sees, does and gains. No script, nothing from elsewhere."""

from zoned.status.dashboard.document import page

__all__ = ["page"]
