"""HTTP edge of the router: the table with its health, operations on channels, and explanations."""

from fastapi import APIRouter, Depends

from router.api.access import Access
from router.api.channels import channel_routes
from router.api.explain import explain_route
from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_telecom.choice import Chooser
from yizhan_telecom.health import Health


def make_api(
    channels: Channels, chooser: Chooser, health: Health, watch: HealthWatch, access: Access
) -> APIRouter:
    """Make the routes. Each is for operators and services."""
    api = APIRouter(prefix="/v1", dependencies=[Depends(access.operator)])
    api.include_router(channel_routes(channels, chooser, health, watch))
    api.include_router(explain_route(channels, chooser, watch))
    return api
