"""What an agent listens on, bound before anything else of it is made.

All or none: a port in use is one clear line at once, and not half an agent.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from zoned.config import Config
from zoned.daemon.listener import bind_tcp, bind_unix


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """The sockets by what is served on them (gossip binds its own: UDP and TCP at one port)."""

    peer: socket.socket
    http: socket.socket
    resp: socket.socket
    unix: socket.socket | None
    unix_path: Path | None

    def close(self) -> None:
        """Give them up (those that are served on are closed already, which does no harm). The Unix socket's
        file goes too: verbs that find it would not try the TCP port."""
        for sock in (self.peer, self.http, self.resp):
            sock.close()
        if self.unix is not None:
            self.unix.close()
        if self.unix_path is not None:
            self.unix_path.unlink(missing_ok=True)


def bind(config: Config) -> Sockets:
    """Bind all, or raise ListenError and keep none."""
    bound: list[socket.socket] = []
    try:
        bound.append(bind_tcp(config.peer.listen, "peer.listen"))
        bound.append(bind_tcp(config.http.listen, "http.listen"))
        bound.append(bind_tcp(config.resp.listen, "resp.listen"))
        unix = None if config.http.socket is None else bind_unix(config.http.socket, "http.socket")
    except BaseException:
        for sock in bound:
            sock.close()
        raise
    return Sockets(peer=bound[0], http=bound[1], resp=bound[2], unix=unix, unix_path=config.http.socket)
