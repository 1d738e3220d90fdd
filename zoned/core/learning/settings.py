"""Settings of the learning stage: what is measured, how fast it is forgotten, and when we step back.

Three separate questions are answered, each with its own numbers: which eviction policy would have done
best (Hedge over shadows, guarded), how sure a prefetch has to be (precision per reason), and whether the
whole is worth it (never worse than LRU). The defaults come from the project's studies of real traces.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSettings:
    """Settings of `Tuner`."""

    enabled: bool = True
    """False (ablation): always advise plain LRU and no thresholds. The ledger still runs."""
    arms: tuple[str, ...] = ("lru", "s3fifo", "sieve", "value")
    """Eviction policies that are scored by shadow. The first must be ``lru``: it is what all others are
    measured against, and what the guard returns to. Each further one costs about 1 us an access."""
    sample_objects: int = 8192
    """Size of the shadows in instances. A store of no more is shadowed exactly; a larger one on a sample of
    its keys, sample_objects / capacity of them. Range 64..1e6. Lower: cheaper, and noisier: on real
    traces the worst error of LRU's hit ratio was about 2 points with 500-1,000 instances, 7 with 128."""
    max_dependencies: int = 64
    """Lines of the ledger; what else there is shares ``_other``. When all are taken, the quietest eighth is
    added to ``_other`` at the next review. Range 8..1e4."""
    review_accesses: int = 100
    """Accesses in one batch of the arms, at least. Range 50..1e6. Lower: the batches are noisier, the guard
    slower to trust; higher: slower to notice a change."""
    review_turnover: float = 0.25
    """... and as a share of the copies that the store holds: arms part slowly in a large store, so short
    batches of it are alike, and the guard would take the same luck many times for proof. Range 0..2."""
    decay: float = 0.98
    """What a batch's reward is worth a batch later. Range 0.5..0.9999. Memory is 1 / (1 - decay) batches."""
    learning_rate: float = 8.0
    """Hedge's eta: weight = exp(eta x discounted sum of the hit ratio). Only for show (the choice is the
    leader's, behind the guard): higher makes the weights more pointed."""
    hysteresis_ratio: float = 0.01
    """Change to another arm only when its mean latency is lower by this share. Range 0..0.5. 0: changes
    for nothing; higher: stays with a worse arm."""
    guard_z: float = 2.5
    """The lower bound of an arm's advantage over LRU is mean - guard_z x standard error. Range 0..5.
    0: believes luck; higher: stays with LRU for longer. It is looked at after every batch, so twice the
    error is not enough where arms take turns: one of many looks sees luck."""
    guard_batches: int = 6
    """Batches seen before the guard may leave LRU: below, the standard error means nothing. Range 2..1000."""
    proof_hours: int = 3
    """Hours in none of which an arm may have lost more than ``max_loss`` against LRU before it is played (but
    for the one played on trust). Range 0..1000. 0: what turns around every hour is found out by losing."""
    proof_s: float = 3600.0
    """How long such an hour lasts at least. Range > 0..1e6."""
    proof_accesses: int = 1000
    """... and how many accesses it has at least: in a few, one miss is more than a percent. Range 1..1e9."""
    proof_credit: float = 0.1
    """So much of what an arm saves in each of the last hours it may lose beyond ``max_loss`` within one.
    Range 0..1. 0: a far better arm that is a few misses behind now and then is taken for one that turns, and
    a zone alone goes by LRU for good; higher: what is good for hours and then turns costs more."""
    proof_decay: float = 0.95
    """What a loss in one hour is worth an hour later. Range 0..1."""
    trusted_arm: str = "value"
    """What is played as soon as zones are seen to share what they hold, if it is one of ``arms``: it is made
    for that, and was the best or near it wherever they do. It is played on trust, until another is measured
    to be better; then it has to prove itself like any other."""
    trust_near: float = 0.1
    """Share of LRU's misses that other zones could serve, in one batch, from which on zones do share.
    Range 0..1. Above 1: nothing is played on trust."""
    trust_batches: int = 6
    """Batches seen before that trust may be lost. Range 2..1000."""
    trust_z: float = 3.0
    """It is lost when another arm is faster by so many standard errors. Range 0..5. Higher: a worse arm is
    played for longer; lower: it is looked at after every batch, so bad luck in some of them sends a small
    zone back to LRU for long (at 2, two zones of semicomplete_web, 10 %: 56.5 ms, and not 53.6)."""
    sure_z: float = 3.0
    """The arm that is played on trust gives way to LRU in an hour in which it has lost half of ``max_loss``
    and so many standard errors. Range 0..10. Higher: more is lost when zones stop sharing; lower: bad luck
    takes an hour or two from a good arm."""
    alarm_odds: float = 7.0
    """Log odds from which on what an arm is played for counts as having stopped (`alarm`): the store then
    goes by LRU until that is clear. Range > 0..1e6. Lower: bursts of what is new cost copies; higher: more is
    lost when everything turns. 1e6: never."""
    alarm_step: float = 2.0
    """So much more the next alarm takes after one that was not right. Range 0..1e6. Lower: a trace with many
    bursts pays for each; higher: after some of these a turn is seen late."""
    most_alarm_odds: float = 30.0
    """More it never takes. Range ``alarm_odds``..1e6."""
    alarm_accesses: float = 1000.0
    """Accesses behind what is usual. Range 100..1e6."""
    trial_batches: int = 32
    """Batches after which a dependency's trial of another arm is over, if it was no gain by then. Range 2 x
    ``guard_batches``..1e4. Lower: small gains are not seen; higher: it takes long to try all."""
    trial_share: float = 0.02
    """Share of all requests from which on a dependency has trials of its own. Range 0..1. Above 0.5: all
    go by the same arm."""
    calibration_memory: float = 2000.0
    """Promises of a dependency after which what was learnt of the odds is half forgotten. Range 8..1e6."""
    least_lead_s: float = 0.5
    """A promise that comes true sooner could not have been fetched in time: as good as broken. Range 0..60;
    `GraphSettings.min_lead_s` is the same for what is learnt."""
    max_promises: int = 4096
    """Promises that wait to be decided; then the oldest is forgotten. Range 1..1e6. About 400 B each."""
    guess_precision: float = 0.5
    """A guess of the plan is fetched if by experience (`foresight`) it is at least that likely to be used.
    Range 0..1. Higher: fewer transfers in vain, and fewer readers spared."""
    foresight_memory: float = 1000.0
    """Guesses of a dependency and reason after which what was learnt of them is half forgotten. 8..1e6."""
    max_watched: int = 1024
    """Guesses that are watched at a time; more are not, and counted. Range 1..1e6. About 400 B each."""
    association_threshold: float = 0.6
    """Least probability from which what is believed to follow is fetched; what is learnt can only ask for
    more. Range keep_threshold..1. Lower: more transfers, fewer of them used, and nothing left of the
    allowance for the sure ones."""
    keep_threshold: float = 0.4
    """Least probability from which a copy of what is believed to follow is worth its room for that. Range
    0..1. Higher: what is about to be asked for goes; lower: what is in demand goes for what is not."""
    forecast_threshold: float = 0.5
    """Base threshold for prefetches of predicted demand (least probability). Range 0..1."""
    elsewhere_threshold: float = 0.5
    """Base threshold for what is hot in another zone (least probability of use here). Range 0..1."""
    home_threshold: float = 0.5
    """Base threshold for copies homed here that nobody ordered (least probability of use in other zones)."""
    refresh_threshold: float = 0.5
    """Base threshold for refreshing what expires (least probability of use again). Range 0..1."""
    min_multiplier: float = 0.8
    """The learnt threshold is never under so many times its base, that of associations never under its base.
    Range > 0..1."""
    max_multiplier: float = 2.2
    """The learnt threshold is never over this times its base, nor over max_threshold. Range >= 1."""
    max_threshold: float = 0.95
    """A learnt threshold above which nothing would pass any more; stopping is a decision of its own."""
    adjust_outcomes: int = 40
    """Prefetches of one dependency and reason between two adjustments of its threshold. Range 5..1e5."""
    low_precision: float = 0.60
    """Below: the threshold is raised. Range min_precision..high_precision."""
    high_precision: float = 0.72
    """Above: the threshold is lowered. Range low_precision..1."""
    raise_factor: float = 1.12
    """By what the threshold is multiplied when precision is low. Range > 1."""
    lower_factor: float = 1.06
    """By what the threshold is divided when precision is high. Range > 1; smaller than raise_factor, because
    a wasted prefetch is paid by everybody and a missing one by one reader."""
    min_precision: float = 0.25
    """A reason whose prefetches are used less often than this is stopped. Range 0..low_precision."""
    exploration: float = 0.01
    """Share of a dependency's requests that may be spent on trying a stopped reason again: it gets
    adjust_outcomes prefetches after adjust_outcomes / exploration requests, and after each try that fails
    twice as many. Range 0..0.1. 0: never again."""
    max_loss: float = 0.01
    """Prefetching stops for a dependency whose mean latency, at equal prices, is worse than the shadow
    LRU's by more than this share, until it is within half of it. Range 0..1."""
    loss_z: float = 3.0
    """Such a loss counts only if it is also larger than so many standard errors: it is looked for after every
    batch, and the shadow of a large store is a sample. Range 0..6. Higher: slower to stop."""
    loss_accesses: int = 300
    """Accesses of one dependency in one batch of that comparison. Range 50..1e6."""
    loss_batches: int = 4
    """Batches seen before a loss may be called: the first are cold misses on both sides. Range 2..1000."""
    loss_decay: float = 0.9
    """What a batch of that comparison is worth a batch later. Range 0.1..0.999."""
    drift_delta: float = 0.05
    """Page-Hinkley: deviation of the forecast error from its mean that is taken for noise. Range >= 0."""
    drift_lambda: float = 2.0
    """Page-Hinkley: summed deviation at which a forecast counts as drifted. Range > 0. Lower: more refits."""
    drift_samples: int = 10
    """Errors seen before a drift may be called. Range >= 2."""
    refit_interval_s: float = 900.0
    """At most one refit of a dependency is asked for in this time. Range >= 0."""
