"""New keys for the whole pool, one safe step at a time: install, use, remove.

Whoever is asked by the operator asks every other zoned agent, each on a gossip stream of its own, and reports
what each said. The order makes rotation safe: a key is installed everywhere before any agent seals with it,
and is what everybody seals with before the old one goes. So ``use`` is refused while a member lacks the key,
and ``remove`` while a member does not seal with ours yet; failed members count (they come back, and what they
cannot open keeps them out, serf issue 579), by the tag that they had. ``forget`` them, or ``force``.

Keys travel only where gossip is sealed both ways. A pool's first key cannot come this way: whoever listened
would have it; it comes by ``gossip.key_file``. Serf's own agents are asked, and told, by Serf's key queries
(``serf_keys.py``), so that they have a row like everybody else. Everything else shows fingerprints only.
*Rejected*: Serf's key queries among zoned agents, too (no word from failed members, and their refusal comes
after the harm); facts (kept for ever, in state files and in memory).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from zoned.core.errors import PeerError
from zoned.core.events import Event, KeysChanged, KeyVerb
from zoned.core.gossip import decode_stream
from zoned.core.gossip.channel import KEYS, MARK, decode_body, encode_body
from zoned.core.gossip.messages import ErrorReply, Kind, User
from zoned.core.gossip.stream import encode_stream
from zoned.core.members import Member, MemberState
from zoned.core.names import Address, NodeName
from zoned.daemon.gossip_seal import Seal
from zoned.daemon.keyring import KeyRefused, Keyring, fingerprint, key_text, parse_key
from zoned.daemon.log import Log
from zoned.daemon.serf_keys import SerfKeys

ASK_TIMEOUT_S = 5.0
ZONED = "zoned"
_ASKED_IN_VAIN = "a Serf agent that is not reachable: its keys are not known"
_OPEN = "a Serf agent, not asked: gossip is not encrypted both ways"
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
        submit: Callable[[Event], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
        log: Log,
    ) -> None:
        """``submit`` takes events for the node, among them our fingerprints after each change; ``spawn`` runs
        tasks."""
        self._me = me
        self._keyring = keyring
        self._seal = seal
        self._ask = ask
        self._members = members
        self._submit = submit
        self._log = log
        self._lock = asyncio.Lock()
        self._heard: tuple[bytes, ...] = ()  # keys of Serf's agents, as last told
        self.serf = SerfKeys(self._obey, lambda: tuple(map(key_text, keyring.keys)), submit, spawn)

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
        if verb != KeyVerb.LIST.value:
            error = "keys are told on sealed streams only"
            if sealed:
                error = await self._obeyed(sender, verb, subject)
        return _message(self._me, error, list(self._keyring.fingerprints))

    async def _obeyed(self, sender: NodeName, verb: str, subject: str) -> str:
        try:
            return await self._obey(sender, KeyVerb(verb), subject)
        except ValueError:
            return f"unknown verb {verb!r}"

    async def _obey(self, sender: NodeName, verb: KeyVerb, subject: str) -> str:
        """Do it here; why not, or ""."""
        try:
            await self._do(verb, subject)
        except (KeyRefused, ValueError) as error:
            return str(error)
        except OSError as error:
            return f"cannot write the keyring: {error.strerror}"
        self._say(f"keyring {verb.value} for {sender}")
        return ""

    async def _do(self, verb: KeyVerb, subject: str) -> None:
        async with self._lock:
            if verb is KeyVerb.INSTALL:
                await asyncio.to_thread(self._keyring.install, parse_key(subject))
            else:
                change = self._keyring.use if verb is KeyVerb.USE else self._keyring.remove
                await asyncio.to_thread(change, subject)
        self._submit(KeysChanged(fingerprints=self._keyring.fingerprints))

    def _say(self, what: str) -> None:
        keys = ", ".join(self._keyring.fingerprints)
        self._log.say("info", "gossip_keys", f"{what}: gossip keys {keys}; the first one seals", keys=keys)

    # ---- what the operator asks -----------------------------------------------------------------

    async def listing(self) -> dict[str, Any]:
        """Who has which keys, by asking them; of failed members, what their tags said."""
        return self._report(KeyVerb.LIST, "", await self._round(KeyVerb.LIST, ""))

    async def install(self, text: str) -> dict[str, Any]:
        """Give everybody a key to open with. Raises KeyRefused."""
        self._require_sealed()
        try:
            key = parse_key(text)
        except ValueError as error:
            raise KeyRefused(str(error)) from None
        return await self._everywhere(KeyVerb.INSTALL, key_text(key), fingerprint(key), key)

    async def use(self, told: str, force: bool = False) -> dict[str, Any]:
        """Have everybody seal with a key that everybody has. Raises KeyRefused."""
        self._require_sealed()
        if told not in self._keyring.fingerprints:
            raise KeyRefused(f"there is no key {told} here: install it first")
        rows = await self._round(KeyVerb.LIST, "")
        lacking = [f"{row.node} ({row.state})" for row in rows if told not in row.keys]
        if lacking and not force:
            raise KeyRefused(f"not everybody has key {told}: {', '.join(lacking)}")
        return await self._everywhere(KeyVerb.USE, told, told, self._key(told))

    async def remove(self, told: str, force: bool = False) -> dict[str, Any]:
        """Have everybody forget a key with which nobody seals any more. Raises KeyRefused."""
        self._require_sealed()
        rows = await self._round(KeyVerb.LIST, "")
        if all(told not in row.keys for row in rows):
            raise KeyRefused(f"nobody has a key {told}")
        primary = self._keyring.fingerprints[0]
        if told == primary:
            raise KeyRefused(f"key {told} is the one that seals: use another first")
        lacking = [f"{row.node} ({row.state})" for row in rows if row.keys[:1] != (primary,)]
        if lacking and not force:
            raise KeyRefused(f"not everybody seals with key {primary}: {', '.join(lacking)}")
        return await self._everywhere(KeyVerb.REMOVE, told, told, self._key(told))

    def _key(self, told: str) -> bytes | None:
        """The key of that fingerprint, if we or one of Serf's agents have it."""
        return next((key for key in (*self._keyring.keys, *self._heard) if fingerprint(key) == told), None)

    def _require_sealed(self) -> None:
        if not self._seal.private:
            raise KeyRefused(
                "gossip is not encrypted both ways, so keys cannot be told: the first key comes by "
                "gossip.key_file, with gossip.verify_incoming and verify_outgoing on in the end"
            )

    async def _everywhere(self, verb: KeyVerb, subject: str, told: str, key: bytes | None) -> dict[str, Any]:
        try:
            await self._do(verb, subject)
        except OSError as error:
            raise KeyRefused(f"cannot write the keyring: {error.strerror}") from error
        self._say(f"keyring {verb.value} {told}")
        return self._report(verb, told, await self._round(verb, subject, key))

    def _report(self, verb: KeyVerb, told: str, rows: list[Row]) -> dict[str, Any]:
        return {
            "operation": verb.value,
            "key": told,
            "sealed": self._seal.sealing,
            "ok": not any(row.error for row in rows),
            "members": [row.shown() for row in rows],
        }

    # ---- rounds ---------------------------------------------------------------------------------

    async def _round(self, verb: KeyVerb, subject: str, key: bytes | None = None) -> list[Row]:
        """Ask every member that has not left; ourselves first, the others by name. ``key``: the subject as
        Serf's agents are told it, None when none of them can have it."""
        others = [each for each in self._members() if each.node != self._me and each.state not in _GONE]
        stock = [each for each in others if each.role != ZONED]
        rows = [self._row(each, verb, subject) for each in others if each.role == ZONED]
        found, *answered = await asyncio.gather(self._serf_rows(stock, verb, key), *rows)
        own = Row(node=self._me, state=MemberState.ALIVE.value, keys=self._keyring.fingerprints)
        return [own, *sorted((*found, *answered), key=lambda row: row.node)]

    async def _row(self, member: Member, verb: KeyVerb, subject: str) -> Row:
        keys, error = member.keys, "not reachable: these are the keys that it had"
        if member.state in _UP:
            data = _message(self._me, verb.value, subject)
            keys, error = _answer(await self._ask(member.gossip, data, ASK_TIMEOUT_S), keys)
        return Row(node=member.node, state=member.state.value, keys=keys, error=error)

    async def _serf_rows(self, stock: Sequence[Member], verb: KeyVerb, key: bytes | None) -> list[Row]:
        """Serf's agents: what is asked of them, then what they have."""
        errors = {each.node: _ASKED_IN_VAIN for each in stock}
        up = [each.node for each in stock if each.state in _UP]
        keys: dict[NodeName, tuple[str, ...]] = {}
        if not self._seal.private:
            errors = dict.fromkeys(errors, _OPEN)
        elif up:
            errors.update(dict.fromkeys(up, "no answer"))
            if verb is not KeyVerb.LIST and key is not None:
                changed = await self.serf.ask(verb, key, up)
                errors.update({node: error for node, (error, _) in changed.items()})
                up = list(changed)
            has = await self.serf.ask(KeyVerb.LIST, b"", up) if up else {}
            keys = {node: tuple(map(fingerprint, its)) for node, (_, its) in has.items()}
            if verb is KeyVerb.LIST or key is None:
                errors.update({node: error for node, (error, _) in has.items()})
            self._heard = tuple(dict.fromkeys(one for _, its in has.values() for one in its))
        return [
            Row(node=each.node, state=each.state.value, keys=keys.get(each.node, ()), error=errors[each.node])
            for each in stock
        ]


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
