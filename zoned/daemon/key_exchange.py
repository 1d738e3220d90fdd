"""New keys for the whole pool, one safe step at a time: install, use, remove.

Whoever is asked by the operator asks every other zoned agent, each on a gossip stream of its own, and reports
what each said. The order makes rotation safe: a key is installed everywhere before any agent seals with it,
and is what everybody seals with before the old one goes. So ``use`` is refused while a member lacks the key,
and ``remove`` while a member does not seal with ours yet; failed members count (they come back, and what they
cannot open keeps them out, serf issue 579), by the tag that they had. ``forget`` them, or ``force``.

Keys travel only where gossip is sealed both ways. A pool's first key cannot come this way: whoever listened
would have it; it comes by ``gossip.key_file``. Members that are no zoned agents have unknown keys and count
as lacking. Everything else shows fingerprints only. *Rejected*: Serf's key queries (no word from failed
members, and their refusal comes after the harm); facts (kept for ever, in state files and in memory).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.gossip import decode_stream
from zoned.core.gossip.channel import KEYS, MARK, decode_body, encode_body
from zoned.core.gossip.messages import ErrorReply, Kind, User
from zoned.core.gossip.stream import encode_stream
from zoned.core.members import Member, MemberState
from zoned.core.names import Address, NodeName
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import KeyRefused, Keyring, fingerprint, key_text, parse_key
from zoned.daemon.log import Log

LIST, INSTALL, USE, REMOVE = "list", "install", "use", "remove"
ASK_TIMEOUT_S = 5.0
ZONED = "zoned"
_GONE = (MemberState.LEFT, MemberState.LEAVING)
_UP = (MemberState.ALIVE, MemberState.SUSPECT)

Ask = Callable[[Address, bytes, float], Awaitable[bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one member has of keys; ``error``: why what was asked of it was not done."""

    node: NodeName
    state: str
    keys: tuple[str, ...]
    error: str = ""

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        return {"node": self.node, "state": self.state, "keys": list(self.keys), "error": self.error}


class KeyExchange:
    """Keys of the pool, asked for and told."""

    def __init__(
        self,
        me: NodeName,
        keyring: Keyring,
        seal: Seal,
        ask: Ask,
        members: Callable[[], tuple[Member, ...]],
        changed: Callable[[tuple[str, ...]], None],
        log: Log,
    ) -> None:
        """``changed`` is told our fingerprints after each change."""
        self._me = me
        self._keyring = keyring
        self._seal = seal
        self._ask = ask
        self._members = members
        self._changed = changed
        self._log = log
        self._lock = asyncio.Lock()

    # ---- what others ask of us ------------------------------------------------------------------

    async def asked(self, data: bytes, sealed: bool) -> bytes | None:
        """A stream's message: our answer if it is about keys, else None."""
        if data[:1] != bytes((Kind.USER,)):
            return None
        try:
            what = decode_stream(data)
            if not isinstance(what, User) or what.body[:1] != bytes((MARK,)):
                return None
            fields = decode_body(what.body)
        except PeerError:
            return None  # the core counts it, and says so
        if fields[0] != KEYS:
            return None
        if len(fields) != 4 or not all(type(field) is str for field in fields[1:]):
            raise PeerError("keys")
        _, sender, verb, subject = fields
        error = ""
        if verb != LIST:
            error = "keys are told on sealed streams only"
            if sealed:
                error = await self._obey(sender, verb, subject)
        return _message(self._me, error, list(self._keyring.fingerprints))

    async def _obey(self, sender: NodeName, verb: str, subject: str) -> str:
        """Do it here; why not, or ""."""
        try:
            await self._do(verb, subject)
        except (KeyRefused, ValueError) as error:
            return str(error)
        except OSError as error:
            return f"cannot write the keyring: {error.strerror}"
        self._say(f"keyring {verb} for {sender}")
        return ""

    async def _do(self, verb: str, subject: str) -> None:
        async with self._lock:
            if verb == INSTALL:
                await asyncio.to_thread(self._keyring.install, parse_key(subject))
            elif verb in (USE, REMOVE):
                change = self._keyring.use if verb == USE else self._keyring.remove
                await asyncio.to_thread(change, subject)
            else:
                raise KeyRefused(f"unknown verb {verb!r}")
        self._changed(self._keyring.fingerprints)

    def _say(self, what: str) -> None:
        keys = ", ".join(self._keyring.fingerprints)
        self._log.say("info", "gossip_keys", f"{what}: gossip keys {keys}; the first one seals", keys=keys)

    # ---- what the operator asks -----------------------------------------------------------------

    async def listing(self) -> dict[str, Any]:
        """Who has which keys, by asking them; of failed members, what their tags said."""
        return self._report(LIST, "", await self._round(LIST, ""))

    async def install(self, text: str) -> dict[str, Any]:
        """Give everybody a key to open with. Raises KeyRefused."""
        self._require_sealed()
        try:
            key = parse_key(text)
        except ValueError as error:
            raise KeyRefused(str(error)) from None
        return await self._everywhere(INSTALL, key_text(key), fingerprint(key))

    async def use(self, told: str, force: bool = False) -> dict[str, Any]:
        """Have everybody seal with a key that everybody has. Raises KeyRefused."""
        self._require_sealed()
        if told not in self._keyring.fingerprints:
            raise KeyRefused(f"there is no key {told} here: install it first")
        rows = await self._round(LIST, "")
        lacking = [f"{row.node} ({row.state})" for row in rows if told not in row.keys]
        if lacking and not force:
            raise KeyRefused(f"not everybody has key {told}: {', '.join(lacking)}")
        return await self._everywhere(USE, told, told)

    async def remove(self, told: str, force: bool = False) -> dict[str, Any]:
        """Have everybody forget a key with which nobody seals any more. Raises KeyRefused."""
        self._require_sealed()
        rows = await self._round(LIST, "")
        if all(told not in row.keys for row in rows):
            raise KeyRefused(f"nobody has a key {told}")
        primary = self._keyring.fingerprints[0]
        if told == primary:
            raise KeyRefused(f"key {told} is the one that seals: use another first")
        lacking = [f"{row.node} ({row.state})" for row in rows if row.keys[:1] != (primary,)]
        if lacking and not force:
            raise KeyRefused(f"not everybody seals with key {primary}: {', '.join(lacking)}")
        return await self._everywhere(REMOVE, told, told)

    def _require_sealed(self) -> None:
        if not self._seal.sealing or self._seal.may_be_plain():
            raise KeyRefused(
                "gossip is not encrypted both ways, so keys cannot be told: the first key comes by "
                "gossip.key_file, with gossip.verify_incoming and verify_outgoing on in the end"
            )

    async def _everywhere(self, verb: str, subject: str, told: str) -> dict[str, Any]:
        try:
            await self._do(verb, subject)
        except OSError as error:
            raise KeyRefused(f"cannot write the keyring: {error.strerror}") from error
        self._say(f"keyring {verb} {told}")
        return self._report(verb, told, await self._round(verb, subject))

    def _report(self, verb: str, told: str, rows: list[Row]) -> dict[str, Any]:
        return {
            "operation": verb,
            "key": told,
            "sealed": self._seal.sealing,
            "ok": not any(row.error for row in rows),
            "members": [row.shown() for row in rows],
        }

    # ---- rounds ---------------------------------------------------------------------------------

    async def _round(self, verb: str, subject: str) -> list[Row]:
        """Ask every member that has not left; ourselves first."""
        others = [each for each in self._members() if each.node != self._me and each.state not in _GONE]
        rows = await asyncio.gather(*(self._row(each, verb, subject) for each in others))
        own = Row(node=self._me, state=MemberState.ALIVE.value, keys=self._keyring.fingerprints)
        return [own, *rows]

    async def _row(self, member: Member, verb: str, subject: str) -> Row:
        keys, error = member.keys, ""
        if member.role != ZONED:
            error = "not a zoned agent: its keys are not known"
        elif member.state not in _UP:
            error = "not reachable: these are the keys that it had"
        else:
            data = _message(self._me, verb, subject)
            keys, error = _answer(await self._ask(member.gossip, data, ASK_TIMEOUT_S), keys)
        return Row(node=member.node, state=member.state.value, keys=keys, error=error)


def _message(*fields: Any) -> bytes:
    return encode_stream(User(encode_body((KEYS, *fields))))


def _answer(data: bytes | None, keys: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """(fingerprints, error) of a member's answer; ``keys`` where it says none."""
    if not data:
        return keys, "no answer"
    try:
        what = decode_stream(data)
        if isinstance(what, ErrorReply):
            return keys, what.text
        if not isinstance(what, User):
            raise PeerError("keys")
        fields = decode_body(what.body)
    except PeerError as error:
        return keys, f"an answer that means nothing ({error.reason})"
    if len(fields) != 4 or fields[0] != KEYS or type(fields[2]) is not str or type(fields[3]) is not list:
        return keys, "an answer that means nothing"
    return tuple(map(str, fields[3])), fields[2]
