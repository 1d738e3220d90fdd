"""A recorded day of real agents: what happened to each, with its own clocks, so that it can be lived again.

``[agent] journal`` and ``zoned demo --record`` write it, ``zoned replay`` reads it. ``frames`` is the file,
``recorder`` turns events into rows, ``lives`` turns rows back into what a replay plays, ``settings`` carries
a node's settings. Nothing here has a clock or a thread: the daemon's ``journal_file`` writes.
"""

from zoned.journal.frames import JournalError, is_journal, merge
from zoned.journal.lives import Happening, Journal, Life, read_journal
from zoned.journal.recorder import Recorder

__all__ = ["Happening", "Journal", "JournalError", "Life", "Recorder", "is_journal", "merge", "read_journal"]
