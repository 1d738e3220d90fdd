"""A node's settings survive the journal; older and newer ones are taken up as far as they mean something."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgpack
import pytest

from tests.core.solo import settings_of
from zoned.core.learning import LearningSettings
from zoned.core.records import DependencyPolicy
from zoned.journal.settings import pack_settings, unpack_settings

GIVEN = replace(
    settings_of("a1", weight=3, http_address=("10.0.0.1", 80)),
    policies=(DependencyPolicy(name="x", ttl_s=5.0), DependencyPolicy(name="y", replicas=2)),
    learning=LearningSettings(arms=("lru", "sieve")),
)


def packed() -> dict[str, Any]:
    data: dict[str, Any] = msgpack.unpackb(msgpack.packb(pack_settings(GIVEN)))
    return data


def test_settings_come_back_as_they_were() -> None:
    assert unpack_settings(packed()) == GIVEN


def test_another_versions_fields_are_left_out_or_have_their_defaults() -> None:
    data = packed()
    data["gossip"]["telepathy"] = True
    data["shoe_size"] = 43
    del data["weight"], data["learning"]["arms"]
    found = unpack_settings(data)
    assert found == replace(GIVEN, weight=None, learning=LearningSettings())


@pytest.mark.parametrize(
    ("stage", "name", "value"),
    [
        ("cache", "max_objects", []),
        ("gossip", "probe_interval_s", "fast"),
        ("learning", "enabled", 3),
        ("cache", "eviction", "belady"),
        ("learning", "arms", "lru"),
    ],
)
def test_nonsense_is_refused(stage: str, name: str, value: object) -> None:
    data = packed()
    data[stage][name] = value
    with pytest.raises(ValueError):
        unpack_settings(data)
    with pytest.raises(ValueError):
        unpack_settings({**packed(), stage: value})
