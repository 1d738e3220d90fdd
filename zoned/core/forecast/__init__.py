"""The predictive modeler: what this zone will use in the next hour and day, and how sure that is."""

from zoned.core.forecast.forecaster import Forecaster
from zoned.core.forecast.settings import ForecastSettings

__all__ = ["ForecastSettings", "Forecaster"]
