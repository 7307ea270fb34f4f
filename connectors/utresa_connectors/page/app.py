"""The page's addresses: views as HTML, live, as charts and as downloads. It writes nothing and reads only the board."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from utresa_connectors.page import downloads, measures, quality, tables
from utresa_connectors.page.board import Board
from utresa_connectors.page.charts import Theme, draw
from utresa_connectors.page.comparing import Comparisons, compare
from utresa_connectors.page.metrics import PageMetrics
from utresa_connectors.page.state import state_of
from utresa_connectors.page.stream import Streams, TooManyReaders
from utresa_connectors.page.view import Cell, Line, NotThere, Query, View, query_of
from utresa_connectors.page.words import WORDS
from utresa_connectors.report.derived import Language

HERE = Path(__file__).parent
KEPT_VIEWS = 64  # of different addresses: those that many look at are made once a change
FORM_WORDS = ("as", "chart", "theme", "v")  # of an address: they say in what form, and not what
MOST_ASKED = 2000  # characters of an address
PAGES = ("report", "text", "measures", "compare", "revisions", "quality")
FORM_NAMES = {"csv": "CSV", "json": "JSON", "parquet": "Parquet", "sdmx-csv": "SDMX-CSV"}
# Nothing from elsewhere, nothing inline, nothing that frames the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# A chart is a document of its own when it is opened alone; Vega-Lite writes some style attributes.
CHART_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}
ASSETS = "/static/"
KEPT_ASSET = "public, max-age=86400"  # their addresses change with them


@dataclass
class Page:
    """The views of one board."""

    board: Board
    comparisons: Comparisons = field(default_factory=Comparisons)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    streams: Streams = field(init=False)
    metrics: PageMetrics = field(init=False)
    _views: OrderedDict[str, tuple[int, View]] = field(init=False, default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.streams = Streams(self.board)
        self.metrics = PageMetrics(self.board, lambda: self.streams.readers)

    def app(self) -> ASGIApp:
        """The application, with the headers that every answer has."""
        pages: Mapping[str, Callable[..., View]] = {
            "/{language}/": tables.report,
            "/{language}/text": tables.text,
            "/{language}/measures": measures.definitions,
            "/{language}/measure/{what}": measures.measure,
            "/{language}/figure/{what:path}": measures.figure,
            "/{language}/compare": partial(compare, comparisons=self.comparisons),
            "/{language}/revisions": measures.revisions,
            "/{language}/quality": quality.quality,
        }
        routes = [
            Route("/", _to_swedish),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
            Mount(ASSETS, StaticFiles(directory=HERE / "static")),
            *(Route(path, partial(self._answer, make)) for path, make in pages.items()),
        ]
        return _Headers(Starlette(routes=routes, exception_handlers={404: self._not_there, 405: _plainly}))

    async def _health(self, request: Request) -> Response:
        """200 when the topics have been read to their end and Kafka answers."""
        ready = self.board.caught_up and not self.board.lost
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        """For Prometheus: nothing that the page does not show."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _answer(self, make: Callable[..., View], request: Request) -> Response:
        """A view in the form that is asked for."""
        if len(str(request.url)) > MOST_ASKED:
            raise HTTPException(404)
        try:
            view = partial(self._view, make, request)
            return await self._form(request, view)
        except NotThere:
            raise HTTPException(404) from None

    async def _form(self, request: Request, view: Callable[[], View]) -> Response:
        match request.query_params.get("as", "html"):
            case "html":
                return self._html(request, view())
            case "live":
                return self._live(view, _language(request))
            case "chart":
                return await _chart(request, view())
            case form if form in downloads.FORMS:
                return await _download(view(), form)
        raise NotThere("form")

    def _view(self, make: Callable[..., View], request: Request) -> View:
        """The view of an address; as long as nothing changes, the one that was made before."""
        language = _language(request)
        asked = {
            name: value for name, value in request.query_params.items() if name not in ("as", "chart", "theme", "v")
        }
        address = f"{request.url.path}?{sorted(asked.items())}"
        changes, found = self._views.get(address, (-1, None))
        if found is None or changes != self.board.changes:
            query = query_of(language, asked, self.board)
            what = request.path_params.get("what")
            found = make(self.board, query, what) if what is not None else make(self.board, query)
            self._views[address] = self.board.changes, _with_clock(found, self.board)
            if len(self._views) > KEPT_VIEWS:
                self._views.popitem(last=False)
        return self._views[address][1]

    def _html(self, request: Request, view: View) -> Response:
        query = view.query
        context = {
            "view": view,
            "query": query,
            "board": self.board,
            "state": state_of(self.board, query.language),
            "now": self.now(),
            "address": _Address(request.url.path, query),
            **view.body,
        }
        return HTMLResponse(_render(view.template, query.language, context))

    def _live(self, view: Callable[[], View], language: Language) -> Response:
        view()  # what is not there is said at once
        try:
            events = self.streams.open(view, language)
        except TooManyReaders:
            return PlainTextResponse("too many readers\n", 503, {"Retry-After": "30"})
        return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    async def _not_there(self, request: Request, _: Exception) -> Response:
        """In the language of the address."""
        language: Language = "en" if request.url.path.startswith("/en/") else "sv"
        query = Query(language, "", 0, 0, "", ())
        view = View("not_there.html", WORDS["not_there"].read(language), query, {})
        context = {
            "view": view,
            "query": query,
            "board": self.board,
            "state": state_of(self.board, language),
            "now": self.now(),
            "address": _Address(f"/{language}/", query),
        }
        return HTMLResponse(_render(view.template, language, context), 404)


def _with_clock(view: View, board: Board) -> View:
    """The view with the cell that every page has: up to which day registrations are known."""
    return replace(view, cells=(*view.cells, Cell("as-of", board.as_of.isoformat() if board.as_of else "–")))


def _language(request: Request) -> Language:
    match request.path_params["language"]:
        case "sv":
            return "sv"
        case "en":
            return "en"
    raise NotThere("language")


@dataclass(frozen=True, slots=True)
class _Address:
    """Links from a page. The edition and the years that were chosen go along."""

    path: str
    query: Query

    def page(self, name: str) -> str:
        """Another page; `report` is the first."""
        asked = {key: value for key, value in self.query.asked.items() if key in ("edition", "from", "to")}
        return f"/{self.query.language}/{'' if name == 'report' else name}{replace(self.query, asked=asked).link()}"

    def figure(self, key: str) -> str:
        """A figure's own page."""
        return f"/{self.query.language}/figure/{key}"

    def measure(self, name: str, edition: str) -> str:
        """A measure's page."""
        return f"/{self.query.language}/measure/{name}?edition={edition}"

    def translated(self) -> str:
        """The same page in the other language."""
        other = "en" if self.query.language == "sv" else "sv"
        return f"/{other}/{self.path.split('/', 2)[-1]}{self.query.link()}"

    def form(self, form: str) -> str:
        """This page in another form."""
        return self.path + self.query.link(as_=form)

    def chart(self, name: str, digest: str, theme: str) -> str:
        """A chart of this page."""
        return self.path + self.query.link(as_="chart", chart=name, theme=theme, v=digest)

    def changed(self, **changes: str | int | None) -> str:
        """This page with something chosen otherwise."""
        return self.path + self.query.link(**changes)

    def is_page(self, name: str) -> bool:
        """Whether this is the page of that name."""
        return self.path == f"/{self.query.language}/{'' if name == 'report' else name}"


async def _to_swedish(request: Request) -> Response:
    return RedirectResponse("/sv/")


async def _plainly(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code, error.headers)


async def _chart(request: Request, view: View) -> Response:
    """A chart of the view as SVG. Drawing it is work for another thread than the loop's."""
    chart = next((one for one in view.charts if one.name == request.query_params.get("chart")), None)
    if chart is None:
        raise NotThere("chart")
    theme: Theme = "dark" if request.query_params.get("theme") == "dark" else "light"
    drawn = await run_in_threadpool(draw, chart, theme, view.query.language)
    headers = {"Content-Security-Policy": CHART_POLICY}
    if request.query_params.get("v") == chart.digest:  # the address names its figures
        headers["Cache-Control"] = "private, max-age=3600"
    return Response(drawn, media_type="image/svg+xml", headers=headers)


async def _download(view: View, name: str) -> Response:
    sheet, form = view.sheet, downloads.FORMS[name]
    if sheet is None or (name == "sdmx-csv" and not downloads.has_observations(sheet)):
        raise NotThere("form")
    content = await run_in_threadpool(form.write, sheet)
    file = "-".join(part for part in ("utresa", sheet.name, sheet.about) if part)
    disposition = f'attachment; filename="{file}.{form.suffix}"'
    return Response(content, media_type=form.media_type, headers={"Content-Disposition": disposition})


def _in_groups(lines: Iterable[Line], attribute: str) -> list[tuple[str, list[Line]]]:
    """Neighbours with the same value together, in their order."""
    return [(group, list(found)) for group, found in groupby(lines, attrgetter(attribute))]


def _version(name: str) -> str:
    return blake2b((HERE / "static" / name).read_bytes(), digest_size=6).hexdigest()


_TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(groupby_in_order=_in_groups, form_name=lambda form: FORM_NAMES[form])
_TEMPLATES.globals.update(
    pages=PAGES,
    forms=list(downloads.FORMS),
    has_observations=downloads.has_observations,
    in_minutes=quality.in_minutes,
    style=f"{ASSETS}page.css?v={_version('page.css')}",
    script=f"{ASSETS}page.js?v={_version('page.js')}",
)


def _render(template: str, language: Language, context: Mapping[str, Any]) -> str:
    def word(name: str) -> str:
        return WORDS[name].read(language)

    return _TEMPLATES.get_template(template).render(context, w=word, language=language)


class _Headers:
    """Sets the headers that an answer has not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                kept = {"Cache-Control": KEPT_ASSET} if scope["path"].startswith(ASSETS) else {}
                more = [(name.lower().encode(), text.encode()) for name, text in ({**HEADERS, **kept}).items()]
                message["headers"] = [*message["headers"], *(one for one in more if one[0] not in there)]
            await send(message)

        await self.app(scope, receive, sending if scope["type"] == "http" else send)
