"""The route of the dry run."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.catalogue import Scope, Sender
from ingest.codes import Refusal
from ingest.keys.callers import Caller
from ingest.keys.guard import current_caller
from ingest.previewing.service import Asked, Preview, Previews
from ingest.quota.wallet import PackageKind
from ingest.requests.openapi import SECURED, problems
from ingest.requests.problems import item_of
from ingest.requests.wire import Language, ProblemItem, RawText, TemplateName, To, Variables
from ingest.templates.model import Category, TemplateState

Reader = Annotated[Caller, Depends(current_caller(Scope.READ))]
CountryCode = Annotated[str, Field(pattern=r"^([A-Z]{2}|[0-9]{3})$")]


class PreviewRequest(BaseModel):
    """What would be sent; of a template that is not approved yet, too."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"oneOf": [{"required": ["template"]}, {"required": ["text"]}]},
    )

    template: TemplateName | None = None
    text: RawText | None = None
    version: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    language: Language | None = None
    variables: Annotated[Variables, Field(max_length=50)] = Field(default_factory=dict)
    """Where a value is left out, the variable's example."""
    sender: Sender | None = None
    to: To | None = None
    """For its country, and to know whether the number wants no messages."""
    countries: Annotated[tuple[CountryCode, ...], Field(max_length=250)] = ()
    """Where to, without a number. Default: the account's home region."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if (self.template is None) == (self.text is None):
            raise ValueError("write template, or text: one of them")
        return self


class CostShown(BaseModel):
    """What a message to a country takes."""

    country: str
    package: PackageKind
    """Which package pays, in full: the balance pays for no SMS, it must only be above 0."""
    quantity: int
    """How much of it: the message's charging_num."""


class PreviewShown(BaseModel):
    """What would be sent."""

    template: str
    version: int
    state: TemplateState
    category: Category
    language: str
    text: str
    encoding: str
    """gsm-7, or ucs-2 where a character needs it."""
    segments: int
    """Transport segments: 160/153 in gsm-7, 70/67 in ucs-2."""
    charging_num: int
    """What it is billed as: 70 characters 1, above that 67 each."""
    costs: list[CostShown]
    refused: bool
    refusals: list[ProblemItem]
    """Why it would be refused, as far as package, balance and limits have no say in it."""


def make_router(previews: Previews) -> APIRouter:
    """Make the route."""
    router = APIRouter(tags=["messages"])

    async def preview_message(caller: Reader, wanted: PreviewRequest) -> PreviewShown:
        """Show what a message would say, take and cost. Sends nothing, charges nothing."""
        asked = Asked(
            wanted.template,
            wanted.text,
            wanted.version,
            wanted.language,
            wanted.variables,
            wanted.sender,
            wanted.to,
            wanted.countries,
        )
        return _shown(await previews.preview(caller.account, asked))

    router.add_api_route(
        "/v1/preview",
        preview_message,
        methods=["POST"],
        summary="Preview a message",
        responses=problems(400, 401, 403, 413, 422, 500, 503),
        openapi_extra=SECURED,
    )
    return router


def _shown(preview: Preview) -> PreviewShown:
    return PreviewShown(
        template=preview.template.id,
        version=preview.template.version,
        state=preview.template.state,
        category=preview.template.category,
        language=preview.language,
        text=preview.text,
        encoding=preview.encoding,
        segments=preview.segments,
        charging_num=preview.charging_num,
        costs=[
            CostShown(country=cost.country, package=cost.package, quantity=cost.quantity)
            for cost in preview.costs
        ],
        refused=bool(preview.refusals),
        refusals=[_item(refusal) for refusal in preview.refusals],
    )


def _item(refusal: Refusal) -> ProblemItem:
    return ProblemItem.model_validate(item_of(refusal))
