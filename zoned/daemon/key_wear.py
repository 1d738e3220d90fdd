"""How much each key has been used: random nonces are good for so many messages and no more.

AES-GCM with random 96-bit nonces keeps its promise up to 2^32 messages per key, all who seal with it counted
together (NIST SP 800-38D, 8.3); then two equal nonces become likely enough to matter, and equal nonces give
the key's authentication away. We know what we sealed ourselves; the pool's sum is guessed as that times
those who are up, since members at rest send about alike. Past half of the limit there is one line in the
log that says what to do. Seldom: ten members with a hundred packets a second each take seven weeks.

The counts are kept beside the keyring, written now and then; a crash forgets the last half minute, which is
nothing at this scale. Not in the keyring's file: that has Serf's form.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from zoned.core.members import Member, MemberState
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import Keyring
from zoned.daemon.log import Log
from zoned.daemon.state import write_atomically

LIMIT = 1 << 32
WARN_RATIO = 0.5
FILE = "keyring-use.json"
EVERY_S = 30.0
_UP = (MemberState.ALIVE, MemberState.SUSPECT)


class KeyWear:
    """Counts per key, by fingerprint. ``members``: all that are known, ourselves included."""

    def __init__(
        self, path: Path, keyring: Keyring, seal: Seal, members: Callable[[], Sequence[Member]], log: Log
    ) -> None:
        self._path = path
        self._keyring = keyring
        self._seal = seal
        self._members = members
        self._log = log
        self._counts = self._read()
        self._kept = dict(self._counts)
        self._warned: dict[str, None] = {}

    def _read(self) -> dict[str, int]:
        try:
            found = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            self._log.say("warning", "key_use_unread", f"cannot read {self._path}: {error}; counting anew")
            return {}
        counts = found if isinstance(found, dict) else {}
        return {
            told: counts[told]
            for told in self._keyring.fingerprints
            if isinstance(counts.get(told), int) and counts[told] >= 0
        }

    def _up(self) -> int:
        return sum(each.state in _UP for each in self._members())

    def collect(self) -> dict[str, int]:
        """Messages sealed with each key that we have. What was sealed since the last call is booked on the
        key that seals now, which is wrong for as much as was sent just before a change."""
        have = self._keyring.fingerprints
        self._counts = {told: self._counts.get(told, 0) for told in have}
        if have:
            self._counts[have[0]] += self._seal.take_count()
        return dict(self._counts)

    def counters(self) -> dict[str, float]:
        """For the metrics: of the key that seals, what we sealed with it, and the pool's use of the limit."""
        counts, have = self.collect(), self._keyring.fingerprints
        sealed = counts[have[0]] if have else 0
        return {"sealed": sealed, "pool_used_ratio": sealed * self._up() / LIMIT}

    def review(self) -> None:
        """One warning for each key that is half used up."""
        for told, sealed in self.collect().items():
            pool = sealed * self._up()
            if pool < LIMIT * WARN_RATIO or told in self._warned:
                continue
            self._warned[told] = None
            text = (
                f"gossip key {told} has sealed about {pool:.1e} messages in the pool, and is good for "
                f"{LIMIT:.1e}: rotate it (zoned keygen | zoned keyring install, then zoned keyring use)"
            )
            self._log.say("warning", "gossip_key_worn", text, key=told)

    async def save(self) -> None:
        """Write the counts if they changed. A disk that refuses is a warning."""
        counts = self.collect()
        if counts == self._kept:
            return
        try:
            await asyncio.to_thread(write_atomically, self._path, json.dumps(counts).encode() + b"\n")
        except OSError as error:
            self._log.say("warning", "key_use_unsaved", f"cannot write {self._path}: {error.strerror}")
        else:
            self._kept = counts

    async def keep(self) -> None:
        """Review and save, for as long as the agent runs."""
        while True:
            self.review()
            await self.save()
            await asyncio.sleep(EVERY_S)
