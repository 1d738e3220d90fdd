"""Errors by who must act on them.

``ConfigError``: the operator, before the agent starts. ``PeerError``: nobody; something on the network
sent nonsense, which is dropped and counted under ``reason``. ``OriginError`` never travels as an
exception inside the core: a failed fetch is an event. Our own mistakes are asserts.
"""

from __future__ import annotations


class ZonedError(Exception):
    """Everything that zoned raises on purpose."""


class ConfigError(ZonedError):
    """One or more settings are wrong; ``problems`` has a line for each, ready to print."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class PeerError(ZonedError):
    """Bytes from the network that do not mean anything. ``reason`` is a short, bounded metric label."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class StateError(ZonedError):
    """A saved state that cannot be read back; the caller sets it aside and starts afresh."""
