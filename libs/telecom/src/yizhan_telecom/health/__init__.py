"""Health of every channel in every country, from what adapters and receipts report."""

from yizhan_telecom.health.rules import DEFAULT_RULES, HealthRules
from yizhan_telecom.health.states import Figures, Kind, State, Transition, View
from yizhan_telecom.health.whole import Health

__all__ = [
    "DEFAULT_RULES",
    "Figures",
    "Health",
    "HealthRules",
    "Kind",
    "State",
    "Transition",
    "View",
]
