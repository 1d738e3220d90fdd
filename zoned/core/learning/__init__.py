"""LEARNING (the seed's feedback loop): what would plain LRU have done, and what does better?"""

from zoned.core.learning.settings import LearningSettings
from zoned.core.learning.tuner import Tuner

__all__ = ["LearningSettings", "Tuner"]
