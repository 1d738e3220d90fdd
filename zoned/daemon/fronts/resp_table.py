"""The commands of the Redis protocol that we know, as a table: what `COMMAND` tells, what arity is checked.

Also the names of Redis' commands that write, so that a client which tries to fill the cache is told why that
is not how this one is filled, instead of "unknown command".
"""

from __future__ import annotations

from typing import NamedTuple

from zoned.daemon.fronts.resp_replies import Value


class Command(NamedTuple):
    """One command. ``arity`` as Redis counts it: with the name; negative: at least so many. ``keys``: places
    of the first and the last key (-1: to the end; 0, 0: none)."""

    name: str
    arity: int
    group: str
    keys: tuple[int, int]
    summary: str
    stranger: bool = False
    """Whether it may be called before the password has been said."""

    def fits(self, count: int) -> bool:
        """Whether a call with so many words, the name among them, is one."""
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    def info(self) -> list[Value]:
        """What ``COMMAND INFO`` says: name, arity, flags, key places, and four that we leave empty."""
        flags: list[Value] = ["readonly"] if self.keys[0] and self.name not in ("del", "unlink") else []
        flags += ["fast"] if self.group in ("connection", "string") else []
        step = 1 if self.keys[0] else 0
        return [self.name, self.arity, flags, *self.keys, step, ["@" + self.group], [], [], []]

    def docs(self) -> dict[str, Value]:
        """What ``COMMAND DOCS`` says."""
        return {"summary": self.summary, "since": "1.0.0", "group": self.group, "complexity": "O(N) in keys"}


TABLE: dict[str, Command] = {
    one.name: one
    for one in (
        Command("get", 2, "string", (1, 1), "Reads an instance through the agent."),
        Command("mget", -2, "string", (1, -1), "Reads instances through the agent."),
        Command("strlen", 2, "string", (1, 1), "Reads an instance through, and tells its length."),
        Command("exists", -2, "generic", (1, -1), "Reads instances through, and tells how many there are."),
        Command("ttl", 2, "generic", (1, 1), "Reads an instance through: seconds that the copy is fresh."),
        Command("del", -2, "generic", (1, -1), "Invalidates instances, in all zones."),
        Command("unlink", -2, "generic", (1, -1), "Invalidates instances, in all zones."),
        Command("ping", -1, "connection", (0, 0), "Says PONG, or what it is given."),
        Command("echo", 2, "connection", (0, 0), "Says what it is given."),
        Command("hello", -1, "connection", (0, 0), "Chooses the protocol's version.", True),
        Command("auth", -2, "connection", (0, 0), "Says the password.", True),
        Command("select", 2, "connection", (0, 0), "There is database 0 only."),
        Command("client", -2, "connection", (0, 0), "SETNAME GETNAME SETINFO ID INFO LIST."),
        Command("quit", -1, "connection", (0, 0), "Closes the connection.", True),
        Command("command", -1, "server", (0, 0), "COUNT DOCS INFO LIST: this table."),
        Command("info", -1, "server", (0, 0), "The agent in Redis' terms; more: zoned status."),
        Command("config", -2, "server", (0, 0), "GET: limits in Redis' terms; more: zoned config show."),
    )
}

WRITES = frozenset(
    b"APPEND BITFIELD BITOP BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN COPY DECR DECRBY "
    b"EXPIRE EXPIREAT FLUSHALL FLUSHDB GEOADD GETDEL GETEX GETSET HDEL HEXPIRE HINCRBY HINCRBYFLOAT HMSET "
    b"HSET HSETNX INCR INCRBY INCRBYFLOAT LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM MIGRATE "
    b"MOVE MSET MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFMERGE PSETEX RENAME RENAMENX RESTORE RPOP RPOPLPUSH "
    b"RPUSH RPUSHX SADD SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE SMOVE SORT SPOP SREM "
    b"SUNIONSTORE SWAPDB XADD XDEL XTRIM ZADD ZINCRBY ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN ZREM "
    b"ZUNIONSTORE".split()
)
READ_ONLY = "ERR zoned is read-through: {name} cannot write here; change it at its origin, then DEL the key"

STRANGERS = frozenset((b"POST", b"HOST:"))
"""First words of HTTP. As in Redis: a browser that was made to talk to us gets no further."""
