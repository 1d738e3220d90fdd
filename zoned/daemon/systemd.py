"""What systemd wants to hear (sd_notify), in the few lines of stdlib that it takes.

``READY=1`` when *this* daemon serves, never "after joining": a single node must come up (consul 7137). The
watchdog is pinged from the event loop, so a loop that hangs is noticed; see ``run.py`` for when it is held
back. Without ``NOTIFY_SOCKET`` every call does nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends state lines to the service manager, if there is one."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A leading @ means the abstract namespace, which the kernel writes as a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        meant_for_us = env.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = env.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if meant_for_us and usec.isdigit() and int(usec) > 0 else None
        """How long systemd waits for a ping before it restarts us; None: it does not."""

    def send(self, *lines: str) -> bool:
        """Send e.g. ``READY=1``; whether it went out. Never raises: a missing manager is no fault of ours."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True
