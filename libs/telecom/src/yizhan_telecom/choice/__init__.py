"""Which channel a message takes: a pure function of table, health and message.

Three steps, each of which can be looked at: ``Table`` says who could (once per table and country),
``rank`` puts them in order (once per country, policy and version of health), ``choose`` takes one.
"""

from yizhan_telecom.channel_rules import REST, route_of
from yizhan_telecom.choice.choosing import Choice, Chooser, choose
from yizhan_telecom.choice.facts import Facts, Why
from yizhan_telecom.choice.ranking import Ranked, Ranking, rank
from yizhan_telecom.choice.table import Entry, Table

__all__ = [
    "REST",
    "Choice",
    "Chooser",
    "Entry",
    "Facts",
    "Ranked",
    "Ranking",
    "Table",
    "Why",
    "choose",
    "rank",
    "route_of",
]
