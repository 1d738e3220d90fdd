"""One agent of the demo: the real daemon, with a distance put before every fetch from another agent.

``python -m zoned.demo.agent CONFIG DELAY_MS``. All zones of a demo are on one machine, so the time between
them has to be made. It is, by the daemon's own transport hook (``transfer.BeforeCall``); nothing else is
changed.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from pathlib import Path

from zoned.config import load
from zoned.core.events import Purpose
from zoned.core.names import NodeName
from zoned.daemon.run import run

PR_SET_PDEATHSIG = 1


def _end_with_the_demo() -> None:
    """Have the kernel end this agent should the demo be killed, so that none is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> int:
    """Run the agent until it is told to stop."""
    _end_with_the_demo()
    path, delay_s = Path(sys.argv[1]), float(sys.argv[2]) / 1000.0

    async def distance(node: NodeName, purpose: Purpose) -> None:
        await asyncio.sleep(delay_s)

    return run(load(path, os.environ, {}), before_call=distance)


if __name__ == "__main__":
    sys.exit(main())
