"""The alarm: what an arm is played for has stopped, and nobody can know yet what comes instead.

An arm is left when it has lost (`proof`). By then it is late: what LRU took in meanwhile, and the arm did
not, is not there, and each of those copies costs a hit on the way back. Where everything turns there is a
sign before anything is lost: reads that a hit, or a zone near by, used to answer all go to the origin, with
the arm and with LRU alike, since what is asked for is new. It may be a scan, which had better not be kept, or
what will be read from now on, which had. So it is insured: while the alarm is on, the store takes in what
comes as LRU would, in place of what LRU would not hold and the arm values least (`Holdings.switch`). If it
was a scan, as many copies are lost as came meanwhile, and the arm goes on; if not, next to nothing is lost.

The sign is a run that the arm's own share of such reads, of late, makes very unlikely: the test of Page
(CUSUM) for a share that rises until an eighth of all others is left, read by read, in log odds. The same
test says when reads are answered as usual again. Then the alarm is over, unless the arm has fallen behind
LRU meanwhile: it waits until that is made up for, or surely no chance. In the latter case it was *right*.
It is over, too, when as many copies came as the store holds, and still LRU gained nothing by them.

Who cries wolf is believed less: each alarm that was not right makes the next one take more. Real traces have
bursts (crawlers); with the same threshold for all alarms they cost more than a turn now and then.

It is no bound, and there is none for whoever plays anything but LRU: who knows what the store holds can ask
for what LRU would hold besides, at any time, and each of these reads is lost. ARCHITECTURE has the argument.

Rejected: to look only for zones near by (says nothing of arms that are played for other reasons), to wait for
a loss with fewer standard errors (bad luck takes a good arm, and what the store holds is wrong by then), to
go back as soon as the arm is ahead (a copy that it spares another zone is enough), and to leave it at once
when an alarm is over and it is a miss behind (in a small zone it does not come back for half of a trace).
Paper: Page, Continuous inspection schemes, Biometrika 1954.
"""

from __future__ import annotations

from math import exp, log, sqrt

from zoned.core.learning.settings import LearningSettings

WHY = "what is asked for is all new: until it is clear what comes"
_RARER = 8.0  # reads that need not go to the origin become so many times rarer
_SURE = 2.0  # while it is on, what speaks for it counts up to so many times what it took
_SELDOM, _MOSTLY = 0.02, 0.98  # the usual share is taken to be between these
_LEAST = 100.0  # reads before anything is usual
_CHANCE_Z = 1.5  # standard errors behind LRU that may be chance


class Alarm:
    """Whether what one arm is played for has stopped. All numbers are those of the shadows' sample."""

    __slots__ = (
        "_ahead", "_came", "_failed", "_needed", "_odds", "_reads", "_ready", "_settings", "_varied",
        "on", "rang", "right",
    )  # fmt: skip

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._failed = self._reads = 0.0  # lately; both fade
        self._odds = 0.0  # how much speaks for a change
        self._needed = settings.alarm_odds
        self._ready = True  # there were usual reads since it was on last
        self._ahead = self._varied = self._came = 0.0  # since it is on
        self.on = False
        self.rang = self.right = 0
        """How often it was on, and how often with reason."""

    def watch(self, failed: float, reads: float, ahead: float, copies: float) -> bool:
        """So many reads, of which so many ``failed``: with that arm they go to the origin. LRU has cost
        ``ahead`` misses more than the arm; the store holds so many ``copies``. True: the alarm is over, and
        was right."""
        if reads <= 0.0:
            return False
        if self._reads >= _LEAST and (failed or self._odds):
            usual = min(_MOSTLY, max(_SELDOM, self._failed / self._reads))
            others = (1.0 - usual) / _RARER
            grown = failed * log((1.0 - others) / usual) - (reads - failed) * log(_RARER)
            most = self._needed * _SURE if self.on else self._needed
            self._odds = min(most, max(0.0, self._odds + grown))
        if self.on:
            return self._is_over(failed, ahead, copies)
        kept = exp(-reads / self._settings.alarm_accesses)
        self._failed = self._failed * kept + failed
        self._reads = self._reads * kept + reads
        self._ready |= self._odds <= 0.0
        if self._ready and self._odds >= self._needed:
            self.on, self._ready = True, False
            self._ahead = self._varied = self._came = 0.0
            self.rang += 1
        return False

    def _is_over(self, failed: float, ahead: float, copies: float) -> bool:
        """It is on: for how much longer? True: no longer, and it was right."""
        settings = self._settings
        self._ahead += ahead
        self._varied += ahead * ahead
        self._came += failed
        behind, error = -self._ahead, sqrt(self._varied)
        usual = self._odds <= 0.0
        if usual and behind > settings.sure_z * error:
            self.on, self._needed = False, settings.alarm_odds
            self.right += 1
            return True
        if (usual or self._came >= copies) and behind <= _CHANCE_Z * error:
            self.on = False
            self._needed = min(settings.most_alarm_odds, self._needed + settings.alarm_step)
        return False
