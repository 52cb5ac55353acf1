"""POST /v1/events, answered before the framework's dispatch: every action of a shopper comes here.

In comes a WSGI environment, out goes each event's own status, once the events are on disk;
whatever else is asked goes to the application behind. Must not know how events are stored.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from recommender.errors import InvalidInputError, UnavailableError
from recommender.events.bots import bot_flag
from recommender.events.parsing import ParsedBatch, parse_events
from recommender.events.shedding import CROWDED_SHARE, is_shed
from recommender.events.visits import visits_of
from recommender.experiments.assignment import assign
from recommender.ports import Batch, Visit, VisitorState, WhoAsks
from recommender.records import Event, Rejection, Shop
from recommender.shops.acting import begin_request, end_request
from recommender.telemetry import EVENTS_TOTAL, RATE_LIMITED_TOTAL, SHED_TOTAL
from recommender.web.answers import Answer, answer_of, json_answer
from recommender.web.problems import problem, problem_of
from recommender.web.security import shop_of_page
from recommender.web.slate_endpoint import read_arguments
from recommender.web.strict_json import read_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

    from recommender.bootstrap import Services

PATH = "/v1/events"
MAX_BODY_BYTES = 256 * 1024
_ACCEPTED = EVENTS_TOTAL.labels("accepted", "").inc


class CollectEndpoint:
    """WSGI application that takes events itself.

    Args:
        services: Where events go.
        behind: Answers everything else.
    """

    def __init__(self, services: "Services", behind: "WSGIApplication") -> None:
        self._services = services
        self._behind = behind

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        if environ["PATH_INFO"] != PATH or environ["REQUEST_METHOD"] != "POST":
            return self._behind(environ, start_response)
        (answer,) = self.answer_each([environ])
        return answer.start(start_response)

    def answer_each(self, environs: Sequence[dict[str, Any]]) -> list[Answer]:
        """Answer requests of this address in their order; what they bring is stored together."""
        taken = [self._take(environ) for environ in environs]
        self._store([one for one in taken if one.error is None and one.events])
        return [_answer(one) for one in taken]

    def _take(self, environ: dict[str, Any]) -> "_Taken":
        taken = _Taken()
        origin = environ.get("HTTP_ORIGIN")
        token = begin_request()
        try:
            key = read_arguments(environ.get("QUERY_STRING", "")).get("key", "")
            shop = shop_of_page(self._services.shops, key, origin, sends_events=True)
            taken.allowed_origin = origin
            taken.batch = read_events(self._services, shop, environ)
            taken.shed_from(self._services.state.full_share)
            taken.visits = visits_of(taken.events)
        except Exception as error:
            taken.error = error
        finally:
            end_request(token)
        return taken

    def _store(self, stored: Sequence["_Taken"]) -> None:
        if not stored:
            return
        batches = [Batch(one.events, one.visits) for one in stored]
        try:
            outcomes: Sequence[Exception | None] = self._services.state.accept_each(batches)
        except Exception as error:
            outcomes = [error] * len(stored)
        for one, outcome in zip(stored, outcomes, strict=True):
            one.error = outcome


_NOTHING = ParsedBatch(())


@dataclass(slots=True)
class _Taken:
    """One request on its way.

    Attributes:
        batch: What it says.
        events: Those of its events that are to be stored.
        visits: What they tell of their visitors.
        full_share: How full the stream was.
        error: Why nothing of it is stored.
    """

    allowed_origin: str | None = None
    batch: ParsedBatch = _NOTHING
    events: tuple[Event, ...] = ()
    visits: Mapping[str, Visit] = field(default_factory=dict)
    full_share: float = 0.0
    error: Exception | None = None

    def shed_from(self, full_share: float) -> None:
        """Leave out what a stream so full does not take."""
        self.full_share = full_share
        self.events = self.batch.events
        if full_share >= CROWDED_SHARE:
            self.events = tuple(one for one in self.events if not is_shed(one.type, full_share))


def read_events(services: "Services", shop: Shop, environ: dict[str, Any]) -> ParsedBatch:
    """Return what a request says.

    Raises:
        InvalidInputError: The body is no batch of events.
        UnavailableError: `rate-limited`.
    """
    _check_rate(services, shop, environ)
    return parse_events(
        read_json(read_body(environ)),
        shop=shop,
        received_at=services.now(),
        knows_item=_item_test(services, shop.shop_id),
        bot=bot_flag(
            environ.get("HTTP_USER_AGENT", ""),
            environ.get("HTTP_SEC_PURPOSE") or environ.get("HTTP_PURPOSE", ""),
        ),
        assign=_assigner(shop),
    )


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the request's body.

    Raises:
        InvalidInputError: `body-too-large`, or `encoded-body` for a compressed one.
    """
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() not in {"", "identity"}:
        raise InvalidInputError("Send the body as it is, not compressed", code="encoded-body")
    told = environ.get("CONTENT_LENGTH", "")
    # Without a length the server knows the end, or there is no body.
    length = (
        int(told) if told else (MAX_BODY_BYTES + 1) * bool(environ.get("wsgi.input_terminated"))
    )
    body: bytes = environ["wsgi.input"].read(min(length, MAX_BODY_BYTES + 1))
    if len(body) > MAX_BODY_BYTES:
        raise InvalidInputError(
            f"A body has at most {MAX_BODY_BYTES // 1024} KiB; send smaller batches",
            code="body-too-large",
        )
    return body


def client_address(environ: dict[str, Any], proxy_hops: int) -> str:
    """Return the sender's address: of the socket, or what the outermost trusted proxy saw.

    Args:
        environ: The request.
        proxy_hops: Proxies in front whose forwarding headers are believed.
    """
    if not proxy_hops:
        return str(environ.get("REMOTE_ADDR", ""))
    seen = [address.strip() for address in environ.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    # Each proxy adds one at the end; what stands before ours was written by the sender.
    return seen[-proxy_hops] if len(seen) >= proxy_hops else ""


def _check_rate(services: "Services", shop: Shop, environ: dict[str, Any]) -> None:
    settings, limits = services.settings, services.limits
    address = client_address(environ, settings.trust_proxy_hops)
    if not limits.allows_address(address, settings.address_requests_per_minute):
        exceeded = "address"
    elif not limits.allows(f"shop:{shop.shop_id}", settings.shop_requests_per_minute):
        exceeded = "shop"
    else:
        return
    RATE_LIMITED_TOTAL.labels(shop.shop_id, exceeded).inc()
    raise UnavailableError(f"Too many requests a minute from this {exceeded}", code="rate-limited")


def _assigner(shop: Shop) -> Callable[[str], tuple[str, int]]:
    stratum = shop.current_stratum
    return lambda visitor_id: (assign(visitor_id, stratum).value, stratum.stratum)


def _item_test(services: "Services", shop_id: str) -> Callable[[str], bool]:
    catalogue = services.catalogues.get(shop_id)
    # A shop that has not sent its catalogue yet may still send events.
    is_empty = not len(catalogue)

    def knows_item(item_id: str) -> bool:
        nonlocal catalogue
        if is_empty or item_id in catalogue:
            return True
        # The item may be a second old: follow the newest announcement before saying no.
        (known,) = services.state.visitor_states([WhoAsks(shop_id)])
        announced = known.catalogue_revision if isinstance(known, VisitorState) else 0
        catalogue = services.catalogues.get(shop_id, announced)
        # While a whole feed is being read nobody can say no.
        if item_id in catalogue or services.catalogues.is_reading(shop_id):
            return True
        # It may have ended just now.
        catalogue = services.catalogues.get(shop_id)
        return item_id in catalogue

    return knows_item


def _answer(taken: _Taken) -> Answer:
    """Return each event's own status in the batch's order, or why nothing was taken."""
    try:
        return _told(taken)
    except Exception as error:
        return answer_of(problem_of(error, PATH), taken.allowed_origin)


def _told(taken: _Taken) -> Answer:
    if taken.error is not None:
        raise taken.error
    statuses = list(_statuses(taken.batch, taken.full_share))
    if not taken.batch.events:
        first = taken.batch.outcomes[0]
        assert isinstance(first, Rejection)
        refusal = problem(422, first.code, first.detail, events=statuses)
        return answer_of(refusal, taken.allowed_origin)
    return json_answer("202 Accepted", orjson.dumps({"events": statuses}), taken.allowed_origin)


def _statuses(batch: ParsedBatch, full_share: float) -> Iterator[dict[str, object]]:
    accepted = 0
    for outcome in batch.outcomes:
        if isinstance(outcome, Rejection):
            EVENTS_TOTAL.labels("rejected", outcome.code).inc()
            yield {
                "index": outcome.index,
                "event_id": outcome.event_id,
                "status": "rejected",
                "code": outcome.code,
                "detail": outcome.detail,
            }
        elif is_shed(outcome.type, full_share):
            SHED_TOTAL.labels(outcome.shop_id, outcome.type.value).inc()
            yield {**_ids(outcome, batch), "status": "shed", "code": "overloaded"}
        else:
            accepted += 1
            yield {**_ids(outcome, batch), "status": "accepted"}
    _ACCEPTED(accepted)


def _ids(event: Event, batch: ParsedBatch) -> dict[str, object]:
    sent_id = batch.sent_ids.get(event.event_id)
    if sent_id is None:
        return {"event_id": event.event_id}
    return {"event_id": sent_id, "stored_id": event.event_id}
