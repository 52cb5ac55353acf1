"""GET /v1/recommendations, answered before the framework's dispatch: every page of a shop asks it.

In comes a WSGI environment, out goes a slate as JSON; whatever else is asked goes to the
application behind. Must not know how a slate is made.
"""

import functools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import orjson
import uuid_utils
from msgspec import structs

from recommender.errors import InvalidInputError
from recommender.records import Placement, Shop
from recommender.serving.recommend import SlateAnswer, SlateRequest, recommend
from recommender.shops.acting import begin_request, end_request
from recommender.shops.widget_settings import as_previewed
from recommender.telemetry import SLATE_SECONDS, SLATES_TOTAL
from recommender.web.answers import Answer, answer_of, json_answer
from recommender.web.preview_tokens import is_preview
from recommender.web.problems import problem_of
from recommender.web.reasons import LANGUAGES, reason_text
from recommender.web.security import shop_of_page

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from recommender.bootstrap import Services

PATH = "/v1/recommendations"
MAX_CART = 50
_MARK, _MARK_JSON = "\0", b"\\u0000"
_PLACEMENTS = {placement.value: placement for placement in Placement}


class SlateEndpoint:
    """WSGI application that answers slates itself.

    Args:
        services: What slates are made from.
        behind: Answers everything else.
    """

    def __init__(self, services: "Services", behind: "WSGIApplication") -> None:
        self._services = services
        self._behind = behind

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "GET":
            return self._behind(environ, start_response)
        (answer,) = self.answer_each([environ])
        return answer.start(start_response)

    def answer_each(self, environs: Sequence[dict[str, Any]]) -> list[Answer]:
        """Answer requests of this address in their order."""
        asked = [self._read(environ) for environ in environs]
        self._decide([one for one in asked if one.error is None])
        return [_answer(one) for one in asked]

    def _decide(self, asked: Sequence["_Asked"]) -> None:
        try:
            slates = decide(self._services, [(one.shop, one.request) for one in asked])
        except Exception as error:
            for one in asked:
                one.error = error
        else:
            for one, slate in zip(asked, slates, strict=True):
                one.slate = slate

    def _read(self, environ: dict[str, Any]) -> "_Asked":
        asked = _Asked()
        origin = environ.get("HTTP_ORIGIN")
        token = begin_request()
        try:
            arguments = read_arguments(environ.get("QUERY_STRING", ""))
            shop = shop_of_page(self._services.shops, arguments.get("key", ""), origin)
            asked.allowed_origin = origin
            asked.language = language_of(arguments)
            asked.shop, asked.request = read_request(self._services, shop, arguments)
        except Exception as error:
            asked.error = error
        finally:
            end_request(token)
        return asked


@dataclass(slots=True)
class _Asked:
    """One request on its way; `shop`, `request` and `slate` are there unless there is an error."""

    allowed_origin: str | None = None
    language: str = ""
    shop: Shop = field(init=False)
    request: SlateRequest = field(init=False)
    slate: SlateAnswer = field(init=False)
    error: Exception | None = None


def _answer(asked: _Asked) -> Answer:
    error = asked.error
    if error is None:
        try:
            body = render_slate(asked.slate, asked.language)
            return json_answer("200 OK", body, asked.allowed_origin)
        except Exception as fault:
            error = fault
    return answer_of(problem_of(error, PATH), asked.allowed_origin)


def read_arguments(query: str) -> dict[str, str]:
    """Return the arguments of a query string as WSGI gives it; the first of a name counts."""
    if not query.isascii():
        # WSGI gives bytes as Latin-1; a browser means UTF-8.
        query = query.encode("latin-1").decode("utf-8", "replace")
    arguments: dict[str, str] = {}
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            arguments.setdefault(_plain(name), _plain(value))
    return arguments


def _plain(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def answer_slate(services: "Services", shop: Shop, arguments: Mapping[str, str]) -> bytes:
    """Return one slate as JSON; control visitors get an empty one and are recorded all the same.

    Raises:
        InvalidInputError: An argument cannot be read.
    """
    (slate,) = decide(services, [read_request(services, shop, arguments)])
    return render_slate(slate, language_of(arguments))


def decide(
    services: "Services", asked: Sequence[tuple[Shop, SlateRequest]]
) -> Sequence[SlateAnswer]:
    """Return the slates that pages ask for, with their exposures recorded."""
    started = time.perf_counter()
    answers = recommend(
        asked,
        hot_state=services.state,
        catalogues=services.catalogues,
        models=services.models,
        now=services.now(),
        monotonic=time.monotonic,
        new_id=new_id,
        budget_ms=services.settings.slate_budget_ms,
    )
    took_seconds = time.perf_counter() - started
    for (_, request), answer in zip(asked, answers, strict=True):
        SLATE_SECONDS.observe(took_seconds)
        _counter(request.placement.value, answer.arm, answer.slate.fallback)()
    return answers


def may_preview(services: "Services", shop: Shop, token: str) -> bool:
    """Tell whether a preview token holds for a shop now."""
    return is_preview(token, shop.shop_id, service_secret=services.secret, now=services.now())


def language_of(arguments: Mapping[str, str]) -> str:
    """Return the language to answer in: the page's where we speak it, else English."""
    language = arguments.get("language", "")[:2].lower()
    return language if language in LANGUAGES else LANGUAGES[0]


def new_id() -> str:
    """Return a UUID of version 7, for a slate or an exposure."""
    return str(uuid_utils.uuid7())


@functools.cache  # the names are ours, and few
def _counter(placement: str, arm: str, fallback: str) -> Callable[[], None]:
    return SLATES_TOTAL.labels(placement, arm, fallback).inc


def read_request(
    services: "Services", shop: Shop, arguments: Mapping[str, str]
) -> tuple[Shop, SlateRequest]:
    """Read what a page asks for; a preview asks of a shop in which everything is switched on.

    Raises:
        InvalidInputError: An argument cannot be read.
    """
    request = _slate_request(arguments)
    token = arguments.get("preview", "")
    if token and may_preview(services, shop, token):
        return as_previewed(shop), structs.replace(request, visitor_id="", preview=True)
    return shop, request


def _slate_request(arguments: Mapping[str, str]) -> SlateRequest:
    placement = _PLACEMENTS.get(arguments.get("placement", ""))
    if placement is None:
        raise InvalidInputError(
            f"placement must be one of {', '.join(Placement)}", code="unknown-placement"
        )
    cart = tuple(item for item in arguments.get("cart", "").split(",") if item)
    return SlateRequest(
        placement=placement,
        visitor_id=_text(arguments, "visitor_id"),
        item_id=_text(arguments, "item_id"),
        cart=cart[:MAX_CART],
        category=_text(arguments, "category", 300),
        search_term=_text(arguments, "search_term", 200),
        n=_count(arguments.get("n")),
    )


def _text(arguments: Mapping[str, str], name: str, limit: int = 100) -> str:
    value = arguments.get(name, "")
    if len(value) > limit:
        raise InvalidInputError(f"{name} has at most {limit} characters", code="bad-text")
    return value


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 50:
        raise InvalidInputError("n must be a whole number from 1 to 50", code="bad-count")
    return int(text)


def render_slate(answer: SlateAnswer, language: str) -> bytes:
    """Write a slate as JSON from the catalogue's ready-made item fragments."""
    head = orjson.dumps(
        {
            "slate_id": answer.slate.slate_id,
            "arm": answer.arm,
            "fallback": answer.slate.fallback,
        }
    )
    items = answer.slate.items if answer.shown else ()
    ids, _, *reasons = zip(*items, strict=True) if items else ((), (), (), ())
    pairs = list(zip(*reasons, strict=True))
    fragments = answer.catalogue.fragments(ids)
    told = _render_reasons(answer, set(pairs), language)
    rendered = b",".join(map(add, fragments, map(told.__getitem__, pairs)))
    return head[:-1] + b',"items":[' + rendered + b"]}"


def _render_reasons(
    answer: SlateAnswer, reasons: Collection[tuple[str, str]], language: str
) -> dict[tuple[str, str], bytes]:
    """Return the end of an item's JSON object for each code and item that it names."""
    titles = answer.catalogue.titles_json([item_id for _, item_id in reasons])
    told = {}
    for (code, item_id), title in zip(reasons, titles, strict=True):
        front, middle, end = _around_title(code, language, bool(title))
        told[code, item_id] = front + orjson.dumps(item_id) + title.join(middle) + end
    return told


@functools.cache  # codes and languages are ours, and few
def _around_title(code: str, language: str, has_title: bool) -> tuple[bytes, list[bytes], bytes]:
    """Return what stands before the item's id, around its title and behind it, as JSON."""
    text = orjson.dumps(reason_text(code, _MARK if has_title else "", language))
    front = b',"reason":{"code":"%b","item_id":' % code.encode()
    return front, (b',"text":' + text).split(_MARK_JSON), b"}}"
