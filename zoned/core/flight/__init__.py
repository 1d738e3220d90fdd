"""Fetches: one state machine for each, from the first miss to the last waiting reader."""

from zoned.core.flight.desk import FlightDesk
from zoned.core.flight.duplicates import Duplicates
from zoned.core.flight.flight import Flight, Landing, Step, StepKind
from zoned.core.flight.route import Route, RouteQuery, plan_route
from zoned.core.flight.settings import FlightSettings

__all__ = [
    "Duplicates",
    "Flight",
    "FlightDesk",
    "FlightSettings",
    "Landing",
    "Route",
    "RouteQuery",
    "Step",
    "StepKind",
    "plan_route",
]
