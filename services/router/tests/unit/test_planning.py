"""Planning: what follows from each event, and the router's rules of the message protocol."""

from datetime import timedelta
from typing import Any

import pytest
from services.router.tests.unit.fakes import START, Router, channel, finished, message, reroute

from router.domain import Routable
from yizhan_contracts.events import (
    AttemptOutcome,
    CountryRoute,
    InDoubtPolicy,
    Lane,
    Policy,
    RoutingPolicy,
    SenderKind,
    SenderRules,
)
from yizhan_contracts.reasons import Reason
from yizhan_runtime.errors import Retryable
from yizhan_telecom.choice import Rule, Table

REFUSED, FAILED, RELEASED, IN_DOUBT = (
    AttemptOutcome.REFUSED,
    AttemptOutcome.FAILED,
    AttemptOutcome.RELEASED,
    AttemptOutcome.IN_DOUBT,
)


def two() -> Router:
    return Router(channel("a"), channel("b", priority=20))


async def test_an_accepted_message_becomes_attempt_1_on_the_best_channel() -> None:
    router = two()
    accepted = message()
    assert await router.take(accepted) == []
    plan = router.plan
    assert (plan.n, plan.channel, plan.tried, plan.reason) == (1, "a", (), Reason.NONE)
    assert plan.message is accepted
    assert [candidate.channel for candidate in plan.decision.candidates] == ["a", "b"]


async def test_a_batch_is_one_publish() -> None:
    router = two()
    await router.take(*(message(number) for number in range(500)))
    assert router.publisher.calls == 1
    assert len(router.plans) == 500


async def test_nothing_to_plan_is_no_publish() -> None:
    router = two()
    await router.take(finished(message(), AttemptOutcome.SUBMITTED))
    assert router.publisher.calls == 0


@pytest.mark.parametrize("outcome", [AttemptOutcome.EXPIRED, AttemptOutcome.UNROUTABLE])
async def test_nothing_follows_from_an_attempt_that_closed_its_message(
    outcome: AttemptOutcome,
) -> None:
    router = two()
    await router.take(finished(message(), outcome))
    assert router.plans == []


@pytest.mark.parametrize("outcome", [REFUSED, FAILED, IN_DOUBT])
async def test_what_another_channel_may_cure_is_planned_there_as_the_next_attempt(
    outcome: AttemptOutcome,
) -> None:
    router = two()
    await router.take(finished(message(), outcome, reason=Reason.CARRIER_ERROR))
    assert (router.plan.n, router.plan.channel, router.plan.tried) == (2, "b", ("a",))


async def test_what_no_channel_can_cure_ends_there() -> None:
    router = two()
    await router.take(finished(message(), REFUSED, reason=Reason.NUMBER_VACANT))
    assert router.plans == []


async def test_the_account_bounds_the_attempts() -> None:
    router = two()
    await router.take(finished(message(policy=Policy(max_attempts=1)), REFUSED))
    assert router.plans == []


async def test_an_attempt_in_doubt_under_hold_waits_for_its_receipt() -> None:
    router = two()
    held = message(policy=Policy(in_doubt=InDoubtPolicy.HOLD))
    await router.take(finished(held, IN_DOUBT, reason=Reason.IN_DOUBT))
    assert router.plans == []


async def test_a_reroute_asks_for_the_next_attempt() -> None:
    router = two()
    await router.take(reroute(message()))
    assert (router.plan.n, router.plan.channel, router.plan.tried) == (2, "b", ("a",))


async def test_a_reroute_beyond_the_attempts_allowed_closes_the_message() -> None:
    router = two()
    await router.take(reroute(message(policy=Policy(max_attempts=1))))
    assert (router.plan.channel, router.plan.reason) == ("none", Reason.ATTEMPTS_EXHAUSTED)


async def test_a_test_message_never_reaches_a_real_carrier() -> None:
    router = Router(channel("real"), channel("sandbox", test=True, priority=90))
    await router.take(message(1, test=True), message(2))
    assert [plan.channel for plan in router.plans] == ["sandbox", "real"]


async def test_a_test_message_without_a_test_channel_has_no_route() -> None:
    router = two()
    await router.take(message(test=True))
    assert (router.plan.channel, router.plan.reason) == ("none", Reason.NO_ROUTE)


async def test_kafka_away_is_for_the_runner_and_a_repeat_plans_the_same() -> None:
    router = two()
    router.publisher.failures = 1
    with pytest.raises(Retryable):
        await router.take(message())
    await router.take(message())
    assert (router.plan.n, router.plan.channel) == (1, "a")


# Rule `same`: a released attempt is planned again under its own attempt id: the claim decides.


@pytest.mark.parametrize("n", [1, 2])
async def test_a_released_attempt_is_planned_again_under_its_own_number(n: int) -> None:
    router = Router(channel("a"), channel("b", priority=20), channel("c", priority=30))
    tried = ("c",) if n == 2 else ()
    released = finished(message(), RELEASED, n=n, reason=Reason.CHANNEL_DOWN, tried=tried)
    await router.take(released)
    assert router.plan.attempt_id == released.attempt_id
    assert (router.plan.n, router.plan.channel, router.plan.tried) == (n, "b", tried)


async def test_a_released_attempt_does_not_use_up_an_attempt() -> None:
    router = two()
    once = message(policy=Policy(max_attempts=1))
    await router.take(finished(once, RELEASED, reason=Reason.CHANNEL_DOWN))
    assert (router.plan.n, router.plan.channel) == (1, "b")


async def test_a_released_attempt_waits_while_no_other_channel_is_well() -> None:
    router = two()
    router.break_channels("b")
    released = finished(message(), RELEASED, reason=Reason.CHANNEL_DOWN)
    ((at, wait),) = await router.take(released)
    assert (at, wait.why) == (0, "released")
    assert router.plans == []


async def test_a_released_attempt_that_waited_may_go_back_where_it_came_from() -> None:
    router = two()
    router.break_channels("b")
    await router.take(finished(message(), RELEASED, reason=Reason.CHANNEL_DOWN), waited_s=5)
    assert (router.plan.n, router.plan.channel) == (1, "a")


async def test_a_released_attempt_waits_as_long_as_it_is_valid_then_closes() -> None:
    router = Router(channel("a"))
    router.break_channels("a")
    released = finished(message(), RELEASED, reason=Reason.CHANNEL_DOWN)
    router.clock.passed_s = 0.5
    assert await router.take(released, waited_s=3000)
    router.clock.passed_s = 3600
    await router.take(released, waited_s=3600)
    assert (router.plan.channel, router.plan.n) == ("none", 1)
    assert router.plan.reason is Reason.VALIDITY_EXPIRED


# Rule `nochan`: unroutable and too late go through the channel `none`, whose claim decides.


async def test_no_route_is_planned_on_none() -> None:
    router = Router(channel("a", countries=("DE",)))
    await router.take(message())
    assert (router.plan.channel, router.plan.reason) == ("none", Reason.NO_ROUTE)
    assert router.plan.topic() == "attempt.planned.v1.none.standard"


async def test_all_channels_tried_is_planned_on_none_as_the_next_attempt() -> None:
    router = Router(channel("a"))
    await router.take(finished(message(), REFUSED, reason=Reason.CARRIER_ERROR))
    assert (router.plan.n, router.plan.channel) == (2, "none")
    assert router.plan.reason is Reason.ATTEMPTS_EXHAUSTED


@pytest.mark.parametrize("n", [1, 2, 3])
async def test_too_late_is_planned_on_none(n: int) -> None:
    router = two()
    late = message(valid_until=START - timedelta(seconds=1))
    events: list[Routable] = [late, finished(late, REFUSED), reroute(late, n=2)]
    await router.take(events[n - 1])
    assert (router.plan.n, router.plan.channel) == (n, "none")
    assert router.plan.reason is Reason.VALIDITY_EXPIRED


# What never left us


async def test_what_never_left_us_may_be_tried_again_where_nothing_else_is_left() -> None:
    router = Router(channel("a"))
    await router.take(finished(message(), FAILED, reason=Reason.CARRIER_UNAVAILABLE))
    assert (router.plan.n, router.plan.channel) == (2, "a")


async def test_but_not_on_a_channel_that_is_broken() -> None:
    router = Router(channel("a"))
    router.break_channels("a")
    await router.take(finished(message(), FAILED, reason=Reason.CARRIER_UNAVAILABLE))
    assert (router.plan.n, router.plan.channel) == (2, "none")


# All broken


@pytest.mark.parametrize("lane", list(Lane))
async def test_a_message_waits_while_nothing_can_be_reached(lane: Lane) -> None:
    router = two()
    router.break_channels("a", "b")
    ((_, wait),) = await router.take(message(lane=lane))
    assert wait.why == "unreachable"


async def test_patience_ends_and_the_best_of_the_broken_is_taken() -> None:
    router = two()
    router.break_channels("a", "b")
    await router.take(message(), waited_s=21)
    assert (router.plan.channel, router.plan.decision.why) == ("a", "broken")


async def test_carriers_that_answer_no_are_not_waited_for() -> None:
    router = two()
    router.break_channels("a", "b", refused=True)
    await router.take(message())
    assert router.plan.channel == "a"


async def test_a_channel_that_people_will_repair_is_waited_for() -> None:
    router = Router(channel("a"), excluded={"a": "topics missing"})
    ((_, wait),) = await router.take(message())
    assert wait.why == "channel-not-usable"


async def test_a_disabled_channel_is_not_waited_for() -> None:
    router = Router(channel("a", enabled=False))
    await router.take(message())
    assert (router.plan.channel, router.plan.reason) == ("none", Reason.NO_ROUTE)


async def test_the_next_message_avoids_a_channel_as_soon_as_it_is_reported_broken() -> None:
    router = two()
    await router.take(message(1))
    router.break_channels("a")
    await router.take(message(2))
    assert [plan.channel for plan in router.plans] == ["a", "b"]
    assert router.registry.get_sample_value(
        "yizhan_router_channel_state", {"channel": "a"}
    ) == pytest.approx(3)


async def test_a_rule_takes_the_place_of_the_accounts_policy_and_the_decision_says_so() -> None:
    dear = channel("dear", priority=10)
    cheap = channel("cheap", priority=20)
    cheap = cheap.model_copy(update={"countries": {"*": CountryRoute(price=0.01, priority=20)}})
    dear = dear.model_copy(update={"countries": {"*": CountryRoute(price=0.09, priority=10)}})
    router = Router(dear, cheap)
    rule = Rule("cheap-bulk", lanes=(Lane.BULK,), routing=RoutingPolicy.COST)
    router.use(Table((dear, cheap), rules=(rule,), version="v1"))
    await router.take(message(1), message(2, lane=Lane.BULK))
    standard, bulk = router.plans
    assert (standard.channel, standard.decision.routing) == ("dear", "quality")
    assert (bulk.channel, bulk.decision.routing) == ("cheap", "cost, rule cheap-bulk")
    assert bulk.decision.table_version == "v1"


async def test_a_channel_that_does_not_take_the_message_is_none_and_the_decision_says_why() -> None:
    strict = channel("strict", priority=1, needs_templates=True)
    router = Router(strict, channel("a"))
    await router.take(message())
    assert router.plan.channel == "a"
    assert router.plan.decision.excluded["strict"].startswith("takes templates only")


SHORT_CODES = {"*": CountryRoute(senders=SenderRules(kinds=(SenderKind.SHORT_CODE,)))}


@pytest.mark.parametrize(
    ("terms", "reason", "said"),
    [
        ({"needs_templates": True}, Reason.TEMPLATE_NOT_REGISTERED, "takes templates only"),
        ({"countries": SHORT_CODES}, Reason.SENDER_NOT_REGISTERED, "takes no alphanumeric"),
        ({"unicode": False}, Reason.NO_ROUTE, "takes GSM-7 texts only"),
    ],
)
async def test_where_no_channel_takes_the_message_it_settles_with_the_reason(
    terms: dict[str, Any], reason: Reason, said: str
) -> None:
    router = Router(channel("strict").model_copy(update=terms))
    await router.take(message(text="驿站"))
    assert (router.plan.channel, router.plan.reason) == ("none", reason)
    assert router.plan.decision.excluded["strict"].startswith(said)


async def test_a_channel_that_handed_its_queue_back_is_not_taken_to_be_full() -> None:
    narrow, wide = channel("a", tps=1.0), channel("b", priority=20)
    router = Router(narrow)
    queue = [message(number) for number in range(100)]
    await router.take(*queue)
    router.use(Table((narrow.model_copy(update={"enabled": False}), wide)))
    await router.take(*(finished(one, RELEASED) for one in queue))
    router.use(Table((narrow, wide)))
    await router.take(message(200))
    assert [plan.channel for plan in router.plans] == ["a"] * 100 + ["b"] * 100 + ["a"]


async def test_what_a_disabled_channel_reports_is_not_held_against_it() -> None:
    router = two()
    off = channel("a", enabled=False)
    router.use(Table((off, channel("b", priority=20))))
    for _ in range(3):
        router.clock.passed_s += 5
        router.report("a", {}, bound=False)
    router.use(Table((channel("a"), channel("b", priority=20))))
    await router.take(message())
    assert (router.plan.channel, router.plan.decision.why) == ("a", "preferred")


async def test_a_message_waits_for_a_channel_that_would_take_it_and_is_left_out_for_now() -> None:
    strict, drained = channel("strict", needs_templates=True), channel("b", draining=True)
    router = Router(strict, drained)
    ((_, wait),) = await router.take(message())
    assert wait.why == "channel-not-usable"
    router.use(Table((strict, drained.model_copy(update={"unicode": False}))))
    assert await router.take(message(2, text="驿站")) == []
    assert router.plan.channel == "none"


async def test_a_released_attempt_that_nobody_else_takes_settles() -> None:
    router = Router(channel("a", enabled=False), channel("strict", needs_templates=True))
    await router.take(finished(message(), RELEASED))
    assert (router.plan.channel, router.plan.n) == ("none", 1)
