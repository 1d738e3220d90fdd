"""The commands that need no instance: who are you, speak version 3, what can you do.

They answer what redis-cli, redis-benchmark and the client libraries ask on connecting, in Redis' words where
a program may look at them. `INFO` and `CONFIG GET` tell in Redis' terms what monitoring made for Redis looks
for; `zoned status` and `/metrics` tell the whole.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

from zoned.daemon.clock import Clock
from zoned.daemon.fronts import resp_replies as say
from zoned.daemon.fronts.resp_replies import Value
from zoned.daemon.fronts.resp_session import Session
from zoned.daemon.fronts.resp_table import TABLE, Command

REDIS_VERSION = "7.2.0"
"""What clients may expect of the protocol; some choose their features by it."""
MAX_NAME_BYTES = 128
MAX_FAILED_AUTHS = 10

_NO_PASSWORD = (
    "ERR AUTH <password> called without any password configured for the default user. "
    "Are you sure your configuration is correct?"
)
_WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."
_HELLO_FIRST = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
    "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at the "
    "same time"
)
_SYNTAX = "ERR syntax error"
Handler = Callable[[Session, list[bytes]], bytes]
Sections = Mapping[str, Mapping[str, object]]


class Admin:
    """Answers them. Stateless but for the password."""

    def __init__(
        self,
        password: str | None,
        clock: Clock,
        sessions: Callable[[], Iterable[Session]],
        sections: Callable[[], Sections],
        limits: Mapping[str, str],
    ) -> None:
        """``sections``: what INFO tells; ``limits``: what CONFIG GET tells."""
        self._secret = None if password is None else _digest(password.encode())
        self._clock = clock
        self._sessions = sessions
        self._sections = sections
        self._limits = limits
        self.handlers: dict[str, Handler] = {
            "ping": self._ping,
            "echo": lambda session, args: say.bulk(args[1]),
            "hello": self._hello,
            "auth": self._auth,
            "select": self._select,
            "client": self._client,
            "quit": self._quit,
            "command": self._command,
            "info": self._info,
            "config": self._config,
        }

    @property
    def open(self) -> bool:
        """Whether no password is needed."""
        return self._secret is None

    def _ping(self, session: Session, args: list[bytes]) -> bytes:
        if len(args) > 2:
            return say.error("ERR wrong number of arguments for 'ping' command")
        return say.bulk(args[1]) if len(args) == 2 else say.simple("PONG")

    def _quit(self, session: Session, args: list[bytes]) -> bytes:
        session.closing = True
        return say.OK

    def _select(self, session: Session, args: list[bytes]) -> bytes:
        if not args[1].isdigit():
            return say.error("ERR value is not an integer or out of range")
        return say.OK if int(args[1]) == 0 else say.error("ERR DB index is out of range")

    # ---- who --------------------------------------------------------------------------------------

    def _auth(self, session: Session, args: list[bytes]) -> bytes:
        if len(args) > 3:
            return say.error(_SYNTAX)
        if self._secret is None and len(args) == 2:
            return say.error(_NO_PASSWORD)
        user = args[1] if len(args) == 3 else b"default"
        return say.OK if self._enter(session, user, args[-1]) else say.error(_WRONG_PASSWORD)

    def _enter(self, session: Session, user: bytes, password: bytes) -> bool:
        """Whether that is the password (compared in constant time); if so the client may go on. Without one,
        the default user has any, as in Redis."""
        right = self._secret is None or hmac.compare_digest(self._secret, _digest(password))
        if right and user == b"default":
            session.trusted = True
            return True
        session.failed_auths += 1
        session.closing = session.failed_auths >= MAX_FAILED_AUTHS
        return False

    def _hello(self, session: Session, args: list[bytes]) -> bytes:
        proto = session.proto
        if len(args) > 1:
            if args[1] not in (b"2", b"3"):
                known = "NOPROTO unsupported protocol version"
                return say.error(known if args[1].isdigit() else "ERR Protocol version is not an integer")
            proto = int(args[1])
        name, rest = None, args[2:]
        while rest:
            option = rest[0].upper()
            if option == b"AUTH" and len(rest) >= 3:
                if not self._enter(session, rest[1], rest[2]):
                    return say.error(_WRONG_PASSWORD)
                rest = rest[3:]
            elif option == b"SETNAME" and len(rest) >= 2:
                name, rest = rest[1], rest[2:]
            else:
                return say.error(f"ERR Syntax error in HELLO option '{_text(rest[0])}'")
        if not session.trusted:
            return say.error(_HELLO_FIRST)
        if name is not None and not _good_name(name):
            return say.error(_bad_name("names"))
        session.name = session.name if name is None else _text(name)
        session.proto = proto
        about: dict[str, Value] = {
            "server": "zoned",
            "version": REDIS_VERSION,
            "proto": proto,
            "id": session.number,
            "mode": "standalone",
            "role": "master",
            "modules": [],
        }
        return say.encoded(about, proto)

    def _client(self, session: Session, args: list[bytes]) -> bytes:
        match [args[1].upper(), *args[2:]]:
            case [b"ID"]:
                return say.integer(session.number)
            case [b"GETNAME"]:
                return say.bulk(session.name.encode()) if session.name else say.null(session.proto)
            case [b"SETNAME", name]:
                if not _good_name(name):
                    return say.error(_bad_name("names"))
                session.name = _text(name)
                return say.OK
            case [b"SETINFO", attribute, value]:
                return _set_info(session, attribute.upper(), value)
            case [b"INFO"]:
                return say.bulk((session.line(self._clock.now().mono_s) + "\n").encode())
            case [b"LIST", *_]:
                now_s = self._clock.now().mono_s
                return say.bulk("".join(one.line(now_s) + "\n" for one in self._sessions()).encode())
            case [b"NO-EVICT" | b"NO-TOUCH", switch] if switch.upper() in (b"ON", b"OFF"):
                return say.OK
        return _unknown_subcommand("client", args[1])

    # ---- what -------------------------------------------------------------------------------------

    def _command(self, session: Session, args: list[bytes]) -> bytes:
        what = args[1].upper() if len(args) > 1 else b"INFO"
        named = [TABLE.get(_text(name).lower()) for name in args[2:]] if args[2:] else list(TABLE.values())
        match what:
            case b"COUNT":
                return say.integer(len(TABLE))
            case b"LIST":
                return say.encoded(list(TABLE), session.proto)
            case b"INFO":
                return say.encoded([one.info() if one else None for one in named], session.proto)
            case b"DOCS":
                return say.encoded({one.name: one.docs() for one in named if one}, session.proto)
        return _unknown_subcommand("command", args[1])

    def _info(self, session: Session, args: list[bytes]) -> bytes:
        wanted = {_text(one).lower() for one in args[1:]} - {"all", "default", "everything"}
        lines: list[str] = []
        for name, fields in self._sections().items():
            if not wanted or name.lower() in wanted:
                lines += [f"# {name}", *(f"{field}:{value}" for field, value in fields.items()), ""]
        return say.bulk("\r\n".join(lines).encode())

    def _config(self, session: Session, args: list[bytes]) -> bytes:
        if args[1].upper() != b"GET":
            return say.error("ERR zoned is configured by its file: see zoned config show")
        if len(args) < 3:
            return say.error("ERR wrong number of arguments for 'config|get' command")
        patterns = [_text(one).lower() for one in args[2:]]
        found: dict[str, Value] = {
            name: value
            for name, value in self._limits.items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        }
        return say.encoded(found, session.proto)


def unknown(args: list[bytes]) -> str:
    """In Redis' words: which command, and how its arguments begin."""
    shown = "".join(f"'{_text(one[:128])}' " for one in args[1:20])[:128]
    return f"ERR unknown command '{_text(args[0][:128])}', with args beginning with: {shown}"


def wrong_count(command: Command) -> str:
    """In Redis' words."""
    return f"ERR wrong number of arguments for '{command.name}' command"


def process_section() -> dict[str, object]:
    """What INFO says of the process whoever it is."""
    return {"redis_version": REDIS_VERSION, "redis_mode": "standalone", "process_id": os.getpid()}


def _unknown_subcommand(command: str, given: bytes) -> bytes:
    return say.error(
        f"ERR unknown subcommand or wrong number of arguments for '{command}|{_text(given[:64])}'"
    )


def _set_info(session: Session, attribute: bytes, value: bytes) -> bytes:
    if not _good_name(value):
        return say.error(_bad_name("lib-name and lib-ver"))
    if attribute == b"LIB-NAME":
        session.lib_name = _text(value)
    elif attribute == b"LIB-VER":
        session.lib_ver = _text(value)
    else:
        return say.error(f"ERR Unrecognized option '{_text(attribute)}'")
    return say.OK


def _good_name(name: bytes) -> bool:
    """Printable ASCII without spaces: names stand in lines of ``CLIENT LIST``."""
    return len(name) <= MAX_NAME_BYTES and all(33 <= byte <= 126 for byte in name)


def _bad_name(what: str) -> str:
    return f"ERR Client {what} cannot contain spaces, newlines or special characters."


def _digest(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
