"""Rules that override an account's routing policy: by account, template category, lane, country."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from yizhan_contracts.events import Lane, RoutingPolicy
from yizhan_telecom.choice.facts import Facts


@dataclass(frozen=True)
class Rule:
    """Whom it is for (empty: everybody), and what then holds instead of the account's policy.

    ``shares`` splits the traffic by weight among the channels it names, as long as they do well;
    the others are then only there for when none of these is.
    """

    name: str
    accounts: Collection[str] = ()
    categories: Collection[str] = ()
    lanes: Collection[Lane] = ()
    countries: Collection[str] = ()
    routing: RoutingPolicy | None = None
    shares: Mapping[str, int] = field(default_factory=dict)

    def is_for(self, facts: Facts) -> bool:
        """Tell whether a message comes under this rule."""
        return (
            (not self.accounts or facts.account_id in self.accounts)
            and (not self.categories or facts.category in self.categories)
            and (not self.lanes or facts.lane in self.lanes)
            and (not self.countries or facts.country in self.countries)
        )


class Rules:
    """The rules of a table: the first that fits holds. Looked up once for each kind of message."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._found: dict[tuple[str, str, Lane, str], Rule | None] = {}

    def rule_for(self, facts: Facts) -> Rule | None:
        """Give the rule that a message comes under, None where the account's policy holds."""
        if not self.rules:
            return None
        key = (facts.account_id, facts.category, facts.lane, facts.country)
        if key not in self._found:
            if len(self._found) >= _MOST_KINDS:
                self._found.clear()
            self._found[key] = next((rule for rule in self.rules if rule.is_for(facts)), None)
        return self._found[key]


_MOST_KINDS = 10_000
