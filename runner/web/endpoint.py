"""One operation of the JSON API: its route, and the types that its document is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Done:
    """
    The outcome of an action.

    Attributes:
        done: Whether the action changed anything.
    """

    done: bool


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """
    One operation.

    answer: the type of what *handler* returns; None is answered with 404. parameters: types of
    those in the path and the query, by name. body: the type of what is sent, if anything is.
    """

    method: str
    path: str
    summary: str
    answer: Any
    handler: Callable[[Request], Awaitable[Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None

    @property
    def shown_path(self) -> str:
        """The path as OpenAPI writes it."""
        return self.path.replace(":path}", "}")

    def route(self) -> Route:
        """Make the route that answers with what *handler* returns."""
        return Route(self.path, self._answer, methods=[self.method])

    async def _answer(self, request: Request) -> JSONResponse:
        found = await self.handler(request)
        if found is None:
            raise HTTPException(404, "not found")
        return JSONResponse(to_jsonable_python(found, fallback=str))
