"""What operators and technicians ask: health, readiness, metrics, the API's description, files."""

import contextlib
import functools
import gzip
import hashlib
import re
import shutil
from pathlib import Path

import sqlalchemy as sa
from flask import Blueprint, Response, abort, render_template, request
from markupsafe import Markup
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from recommender import __version__
from recommender.config import DRAINING
from recommender.errors import UnavailableError
from recommender.telemetry import STREAM_LAG_SECONDS, STREAM_PENDING
from recommender.web.context import json_response, services

blueprint = Blueprint("operations", __name__)
STATIC_FOLDER = Path(__file__).resolve().parents[2] / "static"
_OPENAPI = Path(__file__).with_name("openapi.json")
_ERRORS = STATIC_FOLDER.with_name("docs") / "errors.md"
_SHORT_LIVED = "public, max-age=300"
LOW_DISK_MB = 256


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process answers."""
    return json_response({"status": "ok", "version": __version__})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Say whether this process can do its work now, and if not, why.

    `causes` make it 503; `warnings` do not, but somebody should look.
    """
    causes = _told(stream=_stream_fault(), database=_database_fault(), draining=_draining())
    warnings = _told(
        disk=_disk_warning(),
        spool=_spool_warning(),
        models="" if causes else _model_warning(),
    )
    body = {"status": "unavailable" if causes else "ready", "causes": causes}
    return json_response(
        body | ({"warnings": warnings} if warnings else {}), 503 if causes else 200
    )


def _told(**parts: str) -> dict[str, str]:
    return {part: cause for part, cause in parts.items() if cause}


def _draining() -> str:
    is_draining = (services().settings.home / "run" / DRAINING).exists()
    return "The service is about to stop" if is_draining else ""


def _disk_warning() -> str:
    try:
        free_mb = shutil.disk_usage(services().settings.home).free >> 20
    except OSError as error:
        return f"The home folder cannot be looked at: {error.strerror}"
    return f"{free_mb} MiB are free for the home folder" if free_mb < LOW_DISK_MB else ""


def _spool_warning() -> str:
    spool = services().state.spool
    size_bytes = spool.size_bytes()
    if not size_bytes:
        return ""
    return f"{size_bytes:,} of {spool.limit_bytes:,} bytes wait for Redis"


def _model_warning() -> str:
    artifacts = services().artifacts
    missing = [
        shop.shop_id
        for shop in services().shops.all()
        if artifacts.current(shop.shop_id) not in (None, *artifacts.ids(shop.shop_id))
    ]
    return f"The published model is missing of: {', '.join(missing[:10])}" if missing else ""


def _stream_fault() -> str:
    try:
        services().state.ping()
    except UnavailableError as error:
        return str(error)
    return ""


def _database_fault() -> str:
    try:
        with services().database.connect() as connection:
            connection.execute(sa.select(1))
    except sa.exc.SQLAlchemyError:
        return "The control database does not answer"
    return ""


@blueprint.get("/metrics")
def metrics() -> Response:
    """Answer Prometheus, summed over this machine's web workers."""
    _note_backlog()
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:  # a single process keeps its metrics in memory
        registry = REGISTRY
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _note_backlog() -> None:
    """Look at the stream itself: an ingester that died could not tell how far behind it is."""
    with contextlib.suppress(UnavailableError):
        backlog = services().state.backlog()
        STREAM_PENDING.set(backlog.entries)
        STREAM_LAG_SECONDS.set(backlog.oldest_seconds)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """Answer the machine-readable description of this API."""
    return json_response(_OPENAPI.read_bytes(), cache_control="public, max-age=300")


@blueprint.get("/docs")
def docs() -> str:
    """Show the description of this API to a person."""
    import orjson

    return render_template("docs.html", api=orjson.loads(_OPENAPI.read_bytes()))


@blueprint.get("/errors")
def errors() -> str:
    """List the error codes, each where a problem document's `type` points."""
    return render_template("errors.html", listing=Markup(_error_listing()))  # noqa: S704 - our file


@functools.cache
def _error_listing() -> str:
    from markdown_it import MarkdownIt

    # The other pages it refers to are not served here.
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", _ERRORS.read_text(encoding="utf-8"))
    page = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return re.sub(r"(?<=<tr>\n)<td>.*?</td>", _with_anchors, page)


def _with_anchors(cell: re.Match[str]) -> str:
    return re.sub("<code>(.+?)</code>", r'<code id="\1">\1</code>', cell[0])


@blueprint.get("/widget.js")
def widget() -> Response:
    """Serve the widget; short-lived, so that a fix reaches every shop within minutes."""
    return _newest_script("widget.js")


@blueprint.get("/widget.module.js")
def widget_module() -> Response:
    """Serve the widget as a module."""
    return _newest_script("widget.module.js")


@blueprint.get("/widget-debug.js")
def widget_debug() -> Response:
    """Serve what `?recommender=debug` and `?recommender=preview` load; no shopper does."""
    return _newest_script("widget-debug.js")


@blueprint.get("/widget-<version>.js")
def widget_version(version: str) -> Response:
    """Serve a released version; it never changes, so pages may pin it by its integrity."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+){2}", version):
        abort(404)
    return _script(f"widget-{version}.js", "public, max-age=31536000, immutable")


def _newest_script(name: str) -> Response:
    response = _script(name, _SHORT_LIVED)
    # Instead of a comment in the file, which every shopper would load.
    response.headers["SourceMap"] = f"/static/{name}.map"
    return response


def _script(name: str, cache_control: str) -> Response:
    coding = request.accept_encodings.best_match(_CODINGS, "identity")
    body, digest = _read_script(name, coding)
    response = Response(body, mimetype="text/javascript")
    if coding != "identity":
        response.headers["Content-Encoding"] = coding
    response.headers["Cache-Control"] = cache_control
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    # A strong tag names bytes, and each coding has its own.
    response.set_etag(f"{digest}-{coding}")
    response.make_conditional(request)
    return response


_CODINGS = ("br", "gzip", "identity")
"""The smallest first: of codings that a browser likes alike, this order decides."""


@functools.cache
def _read_script(name: str, coding: str) -> tuple[bytes, str]:
    """Return a file in one coding, and the digest of what it holds."""
    path = STATIC_FOLDER / name
    if not path.is_file():
        abort(404)
    plain = path.read_bytes()
    return _encoded(plain, coding), hashlib.sha256(plain).hexdigest()[:16]


def _encoded(plain: bytes, coding: str) -> bytes:
    if coding == "br":
        import brotli

        return bytes(brotli.compress(plain))
    return gzip.compress(plain, 9, mtime=0) if coding == "gzip" else plain
