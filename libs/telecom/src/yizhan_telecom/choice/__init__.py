"""Which channel a message takes: a pure function of table, health and message.

Three steps, each of which can be looked at: ``Table`` says who could (once per table and country),
``rank`` puts them in the order that the policy prefers (again when an expected delivery moves), and
``choose`` takes the best that does well and has room.
"""

from yizhan_telecom.channel_rules import REST, route_of
from yizhan_telecom.choice.chooser import Chooser, Explained, Explanation
from yizhan_telecom.choice.choosing import Choice, choose
from yizhan_telecom.choice.facts import Facts, Why
from yizhan_telecom.choice.ranking import FULL_AFTER_S, Ranking, Row, rank
from yizhan_telecom.choice.rules import Rule
from yizhan_telecom.choice.table import Entry, Table

__all__ = [
    "FULL_AFTER_S",
    "REST",
    "Choice",
    "Chooser",
    "Entry",
    "Explained",
    "Explanation",
    "Facts",
    "Ranking",
    "Row",
    "Rule",
    "Table",
    "Why",
    "choose",
    "rank",
    "route_of",
]
