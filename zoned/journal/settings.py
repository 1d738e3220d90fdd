"""A node's settings as plain data and back, so that a recorded agent is replayed as it was set.

Fields are told by name. What a later version has taken away is left out, what it has added has its default:
a journal of last month must still be of use. What has another type than the field is refused.
"""

from __future__ import annotations

import dataclasses
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from zoned.core.names import Address
from zoned.core.records import DependencyPolicy
from zoned.core.settings import NodeSettings

T = TypeVar("T")


def pack_settings(settings: NodeSettings) -> dict[str, Any]:
    """Dictionaries, lists and plain values."""
    return dataclasses.asdict(settings)


def unpack_settings(data: Any) -> NodeSettings:
    """The settings that were packed. Raises ValueError on what cannot be any."""
    try:
        return _made(NodeSettings, data)
    except (TypeError, AssertionError, AttributeError) as error:
        raise ValueError(f"settings: {error}") from error


def _made(shape: type[T], data: Any) -> T:
    if not isinstance(data, dict):
        raise ValueError(f"expected {shape.__name__}, got {type(data).__name__}")
    found: dict[str, Any] = {}
    hints = get_type_hints(shape)
    for field in dataclasses.fields(shape):  # type: ignore[arg-type]
        if field.name not in data:
            continue
        value = data[field.name]
        if field.default_factory is not dataclasses.MISSING:
            found[field.name] = _made(type(field.default_factory()), value)
        elif field.name == "policies":
            found[field.name] = tuple(_made(DependencyPolicy, one) for one in value)
        elif field.name.endswith("_address"):
            found[field.name] = None if value is None else _address(value)
        else:
            found[field.name] = tuple(value) if isinstance(value, list) else value
            _check(field.name, hints[field.name], found[field.name])
    return shape(**found)


def _check(name: str, hint: Any, value: Any) -> None:
    """``int | None`` takes an int or None, ``float`` a whole number, too; no number may be a bool."""
    allowed = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kinds = tuple(get_origin(one) or one for one in allowed)
    if type(value) not in kinds and not (type(value) is int and float in kinds):
        raise ValueError(f"{name}: expected {hint}, got {type(value).__name__}")


def _address(value: Any) -> Address:
    host, port = value
    if not (isinstance(host, str) and type(port) is int):
        raise ValueError(f"expected an address, got {value!r}")
    return host, port
