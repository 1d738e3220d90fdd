"""Instances in URL paths: ``<prefix><dependency>/<key>``, percent-encoded, both ways.

A key is any bytes, slashes and dots included, so the path is read raw, as it came over the wire: every
framework's own decoding loses something (double slashes, ``%2F``, bytes that are not UTF-8). The first slash
splits; what follows is the key as a whole.
"""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from zoned.core.names import MAX_KEY_BYTES, InstanceKey


class NotAnInstance(ValueError):
    """The path names no instance; the text says why."""


def instance_of(raw_path: str, prefix: str) -> InstanceKey:
    """``/v1/d/pricing-api/a%20b`` with prefix ``/v1/d/`` -> ``pricing-api``, ``b"a b"``. Raises
    NotAnInstance."""
    if "?" in raw_path:
        # A query that was dropped silently would answer another question than the one asked.
        raise NotAnInstance("a query belongs to the key: write its ? as %3F")
    dependency, _, key = raw_path[len(prefix) :].partition("/")
    try:
        name, raw_key = unquote_to_bytes(dependency).decode(), unquote_to_bytes(key)
    except ValueError as error:
        raise NotAnInstance("not UTF-8") from error
    if not name or not raw_key:
        raise NotAnInstance("expected a dependency and a key")
    if len(raw_key) > MAX_KEY_BYTES:
        raise NotAnInstance(f"a key has at most {MAX_KEY_BYTES} bytes")
    return InstanceKey(name, raw_key)


def path_of(instance: InstanceKey, prefix: str) -> str:
    """The inverse of ``instance_of``."""
    return f"{prefix}{quote(instance.dependency, safe='')}/{quote(instance.key, safe='/')}"
