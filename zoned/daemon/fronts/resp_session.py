"""What is known of one client of the Redis protocol, and what all clients together did.

A session is plain data that commands read and change; the connection around it moves bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Session:
    """One client. Times on the mono clock."""

    number: int
    address: str
    trusted: bool
    """Whether it has said the password, or none is needed."""
    born_s: float
    active_s: float
    proto: int = 2
    name: str = ""
    lib_name: str = ""
    lib_ver: str = ""
    last: str = "NULL"
    """Its last command."""
    failed_auths: int = 0
    closing: bool = False
    """It gets no further answer than the one under way."""
    client: bytes = field(init=False)
    """Whose reads these are, for associations. The connection and not ``name``: that is the application's,
    the same for all of its connections, and neighbours in time of different users are no sequence."""

    def __post_init__(self) -> None:
        self.client = b"resp:%d" % self.number

    def line(self, now_s: float) -> str:
        """As ``CLIENT LIST`` tells it."""
        return (
            f"id={self.number} addr={self.address} name={self.name} age={int(now_s - self.born_s)}"
            f" idle={int(now_s - self.active_s)} flags=N db=0 cmd={self.last} user=default"
            f" lib-name={self.lib_name} lib-ver={self.lib_ver} resp={self.proto}"
        )


@dataclass(slots=True)
class Counts:
    """What happened on this front since the start; all of it is in the metrics."""

    connections: int = 0
    refused_connections: int = 0
    commands: int = 0
    hits: int = 0
    """Reads answered from this zone's store."""
    misses: int = 0
    quick: int = 0
    """The hits among them that the hot lane served."""
    forgotten_uses: int = 0
    """Hits that the node was not told of, because too many waited to be told."""
    errors: int = 0
    protocol_errors: int = 0
    failed_auths: int = 0
    closed_silent: int = 0
    """No command came in time, or not all of one."""
    closed_idle: int = 0
    closed_unread: int = 0
    """The client did not read what it had asked for."""

    def metrics(self) -> dict[str, float]:
        """By name."""
        return {name: getattr(self, name) for name in self.__slots__}
