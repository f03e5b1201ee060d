"""What the pages work with, and how a page is rendered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jinja2
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.responses import HTMLResponse, RedirectResponse

from runner.operations.actions import Operator
from runner.operations.offers import Offers
from runner.operations.runs import Runs
from runner.operations.searching import Searches
from runner.operations.usual import UsualBands
from runner.visible import visible_in_pages
from runner.web import charts, svg
from runner.web.authenticator import Authenticator
from runner.web.formats import FILTERS
from runner.web.icons import icon
from runner.web.login import LoginSettings
from runner.web.navigation import KEYS, Link, navigation
from runner.web.static_files import SCRIPTS, fingerprint

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

    from redis.asyncio import Redis
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from runner.operations.catalog import Catalog
    from runner.periodic.schedule import Periodic
    from runner.web.authenticator import Visitor
    from runner.web.endpoint import Endpoint
    from runner.web.live import Live

_MESSAGE_COOKIE = "pipeline_message"
_MESSAGE_S = 60
_THEME_COOKIE = "pipeline_theme"
_THEMES = frozenset({"light", "dark"})


@dataclass(frozen=True, slots=True)
class Environment:
    """
    Which of several installations the pages are of, so that nobody takes one for another.

    name: shown beside the logo; empty: nothing is. colour: of the line above each page.
    """

    name: str = ""
    colour: str = "grey"

    @classmethod
    def of(cls, name: str, colour: str = "") -> Environment:
        """Return that with *name*: what is in production is red, unless *colour* is given."""
        by_name = "red" if name.lower().startswith(("prod", "live")) else "violet"
        return cls(name, colour or by_name)


@dataclass(frozen=True, slots=True)
class Extension:
    """
    Pages and endpoints that an application adds.

    links: label and path for the navigation. title: what stands above them there. icons: label →
    name of a symbol of `runner.web.icons`; a page if none is given. templates: a loader of their
    templates, which may extend our `layout.html.j2`. job_links: from a job's arguments to pages
    about what it works on. schedule_links: label and path of pages with schedules of the
    application's own. endpoints: its part of the JSON API.
    """

    links: Sequence[tuple[str, str]] = ()
    title: str = ""
    icons: Mapping[str, str] = field(default_factory=dict)
    routes: Sequence[BaseRoute] = ()
    templates: jinja2.BaseLoader | None = None
    job_links: Mapping[str, str] = field(default_factory=dict)
    """Argument name → path with `{}` for its value, such as `/customers/{}`."""
    schedule_links: Sequence[tuple[str, str]] = ()
    endpoints: Sequence[Endpoint] = ()


@dataclass(eq=False)
class Dashboard:
    """
    What the pages of one application show: its queues, jobs and schedules.

    secret: signs sessions and messages; all servers of the same pages have the same one.

    Raises:
        ConfigurationError: *secret* can be guessed.
    """

    redis: Redis
    queues: Sequence[str]
    catalog: Catalog
    schedule: Sequence[Periodic]
    live: Live
    secret: str = field(repr=False)
    login: LoginSettings = field(default_factory=LoginSettings)
    version: str = ""
    environment: Environment = field(default_factory=Environment)
    extension: Extension = field(default_factory=Extension)

    def __post_init__(self) -> None:
        self.authenticator = Authenticator(self.login, self.redis, self.secret)
        self.runs = Runs(self.redis, self.queues, self.catalog)
        self.usual = UsualBands(self.redis)
        self.searches = Searches(self.redis, self.catalog)
        self.offers = Offers(self.redis, self.queues, self.catalog)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._messages = URLSafeTimedSerializer(self.secret, salt="message")
        self.extend(self.extension)

    def extend(self, extension: Extension) -> None:
        """Add the application's own pages. Call it before `dashboard_app`."""
        self.extension = extension
        loaders: list[jinja2.BaseLoader] = [jinja2.PackageLoader("runner.web", "templates")]
        if self.extension.templates is not None:
            loaders.append(self.extension.templates)
        self._templates = jinja2.Environment(
            loader=jinja2.ChoiceLoader(loaders),
            autoescape=True,
            finalize=_shown,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        has_login = self.authenticator.settings.has_login
        own = [
            Link(label, path, extension.icons.get(label, "page")) for label, path in extension.links
        ]
        self._links = navigation(extension.title, own, has_login=has_login)
        self._templates.filters.update(FILTERS)
        self._templates.globals.update(
            draw=svg,
            charts=charts,
            icon=icon,
            asset=fingerprint(),
            scripts=SCRIPTS,
            keys=KEYS,
            environment=self.environment,
        )

    def render(
        self, request: Request, template: str, *, status: int = 200, **values: Any
    ) -> Response:
        """Render *template* with *values* and what every page needs; a message is shown once."""
        message = request.cookies.get(_MESSAGE_COOKIE)
        theme = request.cookies.get(_THEME_COOKIE)
        response = HTMLResponse(
            self._templates.get_template(template).render(
                **values,
                links=self._links,
                theme=theme if theme in _THEMES else None,
                path=request.url.path,
                here=str(request.url.replace(scheme="", netloc="")),
                visitor=visitor_of(request),
                nonce=request.state.nonce,
                now_ms=self.live.now_ms(),
                version=self.version,
                away=getattr(self.queues, "away", ()),
                told=self._message(message) if message else None,
                has_login=self.authenticator.settings.has_login,
            ),
            status_code=status,
        )
        if message:
            response.delete_cookie(_MESSAGE_COOKIE)
        return response

    def back(self, request: Request, where: str, message: str) -> Response:
        """Send the browser to *where*, and show *message* there."""
        response = RedirectResponse(local(where), status_code=303)
        response.set_cookie(
            _MESSAGE_COOKIE,
            self._messages.dumps(message),
            max_age=_MESSAGE_S,
            httponly=True,
            samesite="strict",
            secure=self.authenticator.is_https(request),
        )
        return response

    def operator(self, request: Request) -> Operator:
        """The visitor, as one who acts."""
        visitor = visitor_of(request)
        assert visitor is not None  # noqa: S101 -- the guard refuses anybody else
        return Operator(self.redis, visitor.name, self.queues)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run *work* in the background, until `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what runs in the background."""
        await self.live.close()
        await self.searches.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _message(self, sealed: str) -> str | None:
        try:
            return str(self._messages.loads(sealed, max_age=_MESSAGE_S))
        except BadSignature:
            return None


def _shown(value: object) -> object:
    """Text on its way into a page; what is markup was made by us."""
    return visible_in_pages(value) if type(value) is str else value


def visitor_of(request: Request) -> Visitor | None:
    """The visitor; None on the login page."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    return visitor


def local(where: str) -> str:
    """*where* if it is a path of this server, else `/`: a form must not lead to another site."""
    # Browsers drop tabs and line breaks in addresses, and read a backslash as a slash.
    is_ours = where.startswith("/") and not where.startswith(("//", "/\\")) and where.isprintable()
    return where if is_ours else "/"
