"""Whether a service says that it is ready."""

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from yizhan_local.errors import DidNotStart
from yizhan_local.process import POLL_S
from yizhan_local.supervised import Supervised

PROBE_TIMEOUT_S = 3
RESTARTS_BEFORE_GIVING_UP = 3


def is_ready(url: str) -> bool:
    """Ask `/ready`; anything but 200 in time is a no."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_ready(one: Supervised, ready: Callable[[], bool], timeout_s: float) -> None:
    """Wait for one program; DidNotStart if it takes too long or keeps ending."""
    deadline = time.monotonic() + timeout_s
    restarts = one.restarts
    while one.pid is None or not ready():
        if one.restarts - restarts >= RESTARTS_BEFORE_GIVING_UP:
            raise DidNotStart(f"{one.name} ends again and again", one.log)
        if not one.is_wanted:
            raise DidNotStart(f"{one.name} was stopped", one.log)
        if time.monotonic() > deadline:
            raise DidNotStart(f"{one.name} was not ready within {timeout_s:.0f} s", one.log)
        time.sleep(POLL_S)
