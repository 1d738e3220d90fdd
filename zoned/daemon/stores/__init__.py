"""The zone's cache backends: where the bytes of copies are. What is kept, and what goes, the core decides."""

from zoned.daemon.stores.memory import MemoryStore

__all__ = ["MemoryStore"]
