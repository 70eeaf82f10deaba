"""HTTP edge of the router: the table with its health, operations on channels, and explanations."""

from fastapi import APIRouter, Depends
from pydantic import SecretStr

from router.api.access import bearer
from router.api.channels import channel_routes
from router.api.explain import explain_route
from router.channels import Channels
from router.health_watch import HealthWatch
from yizhan_telecom.choice import Chooser
from yizhan_telecom.health import Health


def make_api(
    channels: Channels, chooser: Chooser, health: Health, watch: HealthWatch, token: SecretStr
) -> APIRouter:
    """Make the routes. Each needs ``Authorization: Bearer <internal token>``."""
    api = APIRouter(prefix="/v1", dependencies=[Depends(bearer(token))])
    api.include_router(channel_routes(channels, chooser, health, watch))
    api.include_router(explain_route(channels, chooser, watch))
    return api
