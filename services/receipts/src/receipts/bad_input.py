"""What is wrong with a request, in words, without repeating what was sent: it may be personal."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


def tell_bad_input(app: FastAPI) -> None:
    """Have every request that does not fit its route answered by 422 and sentences."""

    @app.exception_handler(RequestValidationError)
    async def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        told = [f"{_where(one['loc'])}: {one['msg']}" for one in error.errors()]
        return JSONResponse({"detail": "; ".join(told)}, 422)


def _where(place: tuple[str | int, ...]) -> str:
    """Name the parameter or the field: the first step only says in which part it is."""
    return ".".join(str(step) for step in place[1:]) or str(place[0])
