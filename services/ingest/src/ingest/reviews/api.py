"""Routes to templates, senders and what waits for a reviewer. Wire to use case and back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from ingest.catalogue import Scope
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller, current_operator
from ingest.requests.openapi import SECURED, problems
from ingest.reviews.lifecycle import Kind, Name, Step
from ingest.reviews.service import Reviews
from ingest.reviews.wire import (
    Approval,
    NewSender,
    NewTemplate,
    PendingList,
    Rejection,
    SenderList,
    SenderShown,
    TemplateList,
    TemplateShown,
    show_sender,
    show_template,
)
from ingest.templates.model import TemplateState

Reader = Annotated[Caller, Depends(current_caller(Scope.READ))]
Admin = Annotated[Caller, Depends(current_caller(Scope.ADMIN))]
Operator = Annotated[Caller, Depends(current_operator)]
State = Annotated[TemplateState | None, Query(description="Only those in this state.")]
TemplateId = Annotated[str, Path(max_length=64)]
Version = Annotated[int, Path(ge=1, le=1_000_000)]
Country = Annotated[str, Path(max_length=3, description="ISO 3166, or *.")]
SenderValue = Annotated[str, Path(max_length=40)]


class _Router:
    """Adds routes that all declare the same."""

    def __init__(self, prefix: str, tag: str) -> None:
        self.router = APIRouter(prefix=prefix, tags=[tag])

    def add(self, method: str, path: str, work: Any, summary: str, *refused: int) -> None:  # noqa: ANN401 - any route
        created = method == "POST" and not path
        self.router.add_api_route(
            path,
            work,
            methods=[method],
            summary=summary,
            status_code=201 if created else 200,
            responses=problems(401, 403, 422, *refused, 500, 503),
            openapi_extra=SECURED,
        )


def make_routers(reviews: Reviews) -> list[APIRouter]:
    """Make the routes. Operators decide; they name the account in ``Yizhan-Account``."""
    return [_templates(reviews), _senders(reviews), _pending(reviews)]


def _templates(reviews: Reviews) -> APIRouter:
    routes = _Router("/v1/templates", "templates")
    one = "/{template_id}/versions/{version}"

    async def take(
        caller: Caller, named: tuple[str, int], step: Step, by: str, why: str = ""
    ) -> TemplateShown:
        name = Name(Kind.TEMPLATE, caller.account_id, *named)
        return show_template(await reviews.take(name, step, by, why))

    async def create_template(caller: Admin, wanted: NewTemplate) -> TemplateShown:
        """Register a template's next version, as a draft. The same again is the same one."""
        made = await reviews.register_template(caller.account, wanted.template(), _by(caller))
        return show_template(made)

    async def list_templates(caller: Reader, state: State = None) -> TemplateList:
        """List what the account registered."""
        found = reviews.listed(Kind.TEMPLATE, caller.account_id, state)
        return TemplateList(templates=[show_template(one) for one in found])

    async def show_versions(caller: Reader, template_id: TemplateId) -> TemplateList:
        """Show all versions of a template, and what was done with each."""
        found = reviews.show(Kind.TEMPLATE, caller.account_id, template_id)
        return TemplateList(templates=[show_template(one) for one in found])

    async def submit_template(
        caller: Admin, template_id: TemplateId, version: Version
    ) -> TemplateShown:
        """Hand a draft to the reviewers."""
        return await take(caller, (template_id, version), Step.SUBMIT, _by(caller))

    async def retire_template(
        caller: Admin, template_id: TemplateId, version: Version
    ) -> TemplateShown:
        """Let a version be sent no more. For good."""
        return await take(caller, (template_id, version), Step.RETIRE, _by(caller))

    async def approve_template(
        caller: Operator, template_id: TemplateId, version: Version, said: Approval
    ) -> TemplateShown:
        """Approve a version: it is sent from now on."""
        return await take(caller, (template_id, version), Step.APPROVE, said.reviewer, said.reason)

    async def reject_template(
        caller: Operator, template_id: TemplateId, version: Version, said: Rejection
    ) -> TemplateShown:
        """Reject a version, with the reason."""
        return await take(caller, (template_id, version), Step.REJECT, said.reviewer, said.reason)

    routes.add("POST", "", create_template, "Register a template", 400, 409, 413)
    routes.add("GET", "", list_templates, "List templates")
    routes.add("GET", "/{template_id}", show_versions, "Show a template's versions", 404)
    routes.add("POST", f"{one}/submit", submit_template, "Submit a template", 404, 409)
    routes.add("POST", f"{one}/retire", retire_template, "Retire a template", 404, 409)
    routes.add("POST", f"{one}/approve", approve_template, "Approve a template", 400, 404, 409, 413)
    routes.add("POST", f"{one}/reject", reject_template, "Reject a template", 400, 404, 409, 413)
    return routes.router


def _senders(reviews: Reviews) -> APIRouter:
    routes = _Router("/v1/senders", "senders")
    one = "/{country}/{value}"

    async def take(
        caller: Caller, named: tuple[str, str], step: Step, by: str, why: str = ""
    ) -> SenderShown:
        newest = reviews.show(Kind.SENDER, caller.account_id, "/".join(named))[-1]
        return show_sender(await reviews.take(newest.name, step, by, why))

    async def create_sender(caller: Admin, wanted: NewSender) -> SenderShown:
        """Register a signature or sender ID for a country, as a draft."""
        made = await reviews.register_sender(caller.account, wanted.sender(), _by(caller))
        return show_sender(made)

    async def list_senders(caller: Reader, state: State = None) -> SenderList:
        """List the account's senders."""
        found = reviews.listed(Kind.SENDER, caller.account_id, state)
        return SenderList(senders=[show_sender(one) for one in found])

    async def submit_sender(caller: Admin, country: Country, value: SenderValue) -> SenderShown:
        """Hand a sender to the reviewers."""
        return await take(caller, (country, value), Step.SUBMIT, _by(caller))

    async def retire_sender(caller: Admin, country: Country, value: SenderValue) -> SenderShown:
        """Let nothing be sent under it any more."""
        return await take(caller, (country, value), Step.RETIRE, _by(caller))

    async def approve_sender(
        caller: Operator, country: Country, value: SenderValue, said: Approval
    ) -> SenderShown:
        """Approve a sender for its country."""
        return await take(caller, (country, value), Step.APPROVE, said.reviewer, said.reason)

    async def reject_sender(
        caller: Operator, country: Country, value: SenderValue, said: Rejection
    ) -> SenderShown:
        """Reject a sender, with the reason."""
        return await take(caller, (country, value), Step.REJECT, said.reviewer, said.reason)

    routes.add("POST", "", create_sender, "Register a sender", 400, 409, 413)
    routes.add("GET", "", list_senders, "List senders")
    routes.add("POST", f"{one}/submit", submit_sender, "Submit a sender", 404, 409)
    routes.add("POST", f"{one}/retire", retire_sender, "Retire a sender", 404, 409)
    routes.add("POST", f"{one}/approve", approve_sender, "Approve a sender", 400, 404, 409, 413)
    routes.add("POST", f"{one}/reject", reject_sender, "Reject a sender", 400, 404, 409, 413)
    return routes.router


def _pending(reviews: Reviews) -> APIRouter:
    routes = _Router("/v1/reviews", "reviews")

    async def list_pending(_operator: Operator) -> PendingList:
        """List what waits for a reviewer, of all accounts."""
        found = reviews.pending()
        return PendingList(
            templates=[show_template(r) for r in found if r.name.kind is Kind.TEMPLATE],
            senders=[show_sender(r) for r in found if r.name.kind is Kind.SENDER],
        )

    routes.add("GET", "", list_pending, "List what waits for a reviewer")
    return routes.router


def _by(caller: Caller) -> str:
    return "operator" if caller.is_operator else f"key {caller.key}"
