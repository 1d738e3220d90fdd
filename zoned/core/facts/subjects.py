"""What an invalidation is about, as the subject of a fact: ``dependency``, or ``dependency:key``.

Keys are any bytes, subjects are text that travels through msgpack and JSON, so a key's bytes are percent-
encoded, as in a URL: what people type reads as it is, and only ASCII is left, whatever the key.
Rejected: surrogate escapes (no UTF-8 encoder takes them, so the fact could be said but not sent).
"""

from __future__ import annotations

import re

from zoned.core.names import Dependency, InstanceKey

_UNSAFE = re.compile(rb"[^A-Za-z0-9/._~!$&'()*+,;=:@?-]")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def subject_of(dependency: Dependency, key: bytes | None) -> str:
    """The subject for one instance, or for the whole dependency (``key`` None)."""
    if key is None:
        return dependency
    return f"{dependency}:{_UNSAFE.sub(lambda found: b'%%%02X' % found[0][0], key).decode('ascii')}"


def parse_subject(subject: str) -> tuple[Dependency, InstanceKey | None]:
    """The dependency, and the instance unless all of it is meant. Others may have written anything: what is
    no escape stands for itself."""
    dependency, separator, escaped = subject.partition(":")
    if not separator:
        return dependency, None
    raw = escaped.encode("utf-8", "surrogateescape")
    return dependency, InstanceKey(dependency, _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw))
