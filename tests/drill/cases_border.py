"""Cases 42, 52-57, 59, 69, 86, 87: who may say what, and whose it is."""

import json
from urllib.parse import urlencode

from drill.case import Drill, Outcome, case
from drill.cases_data import one_event, path_of, post_raw, still_works, together
from drill.load import Caller, make_order, post_events, post_order
from drill.service import Service
from drill.shops import DrillShop
from recommender.experiments.assignment import assign
from signing import signed_headers


def orders_of(service: Service, shop: DrillShop) -> list[tuple[str, str]]:
    rows = service.rows(
        "SELECT kind, order_id FROM orders WHERE shop_id = :shop", shop=shop.shop_id
    )
    return sorted((str(row[0]), str(row[1])) for row in rows)


@case("52", short=True)
def shop_named_elsewhere(drill: Drill) -> Outcome:
    outcome = Outcome("another shop's id in body, query and headers of events and orders")
    service = drill.visit()
    journal, (own, other) = drill.journal(service), service.shops
    caller = Caller(service.address)
    named = {"shop_id": other.shop_id, "shop": other.shop_id, "key": other.public_key}
    post_events(caller, journal, own, [one_event(**named), one_event(**named)])
    order = make_order(drill.draw, own) | named
    raw = json.dumps(order).encode()
    number = journal.sending("order", own.shop_id, [order["order_id"]])
    reply = caller.ask(
        "POST",
        f"/v1/orders?{urlencode(named)}",
        raw,
        {
            "Authorization": f"Bearer {own.secret_key}",
            "X-Shop-Id": other.shop_id,
            **signed_headers(own.signing_secret, raw),
        },
    )
    told = {order["order_id"]: "accepted"} if reply.status == 201 else {}
    journal.answered(number, reply.status, told)
    outcome.check(not orders_of(service, other), "an order went to the other shop")
    outcome.rounds = 3
    caller.close()
    still_works(drill, outcome, service, journal)
    return outcome


@case("53", short=True)
def caches(drill: Drill) -> Outcome:
    outcome = Outcome("the same paths for two shops: what may a cache keep?")
    service = drill.visit(n_items=10)
    caller = Caller(service.address)
    for shop in service.shops:
        slate = urlencode({"key": shop.public_key, "placement": "home", "visitor_id": "v"})
        secret = {"Authorization": f"Bearer {shop.secret_key}"}
        private = [
            caller.ask("GET", f"/v1/recommendations?{slate}"),
            caller.ask("GET", "/v1/uplift", headers=secret),
            caller.ask("GET", "/v1/statements", headers=secret),
        ]
        for reply in private:
            kept = reply.headers.get("cache-control", "")
            outcome.check("no-store" in kept, f"{reply.status} may be kept: {kept!r}")
            outcome.rounds += 1
        public = caller.ask("GET", f"/v1/config/{shop.public_key}")
        others = [one for one in service.shops if one is not shop]
        text = public.body.decode()
        outcome.check(all(one.shop_id not in text for one in others), "another shop in config")
    caller.close()
    return outcome


@case("54", short=True)
def origins(drill: Drill) -> Outcome:
    outcome = Outcome("foreign, null, suffixed, prefixed, other port, other scheme, look-alikes")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    name = shop.origin.removeprefix("https://")
    foreign = [
        "https://evil.example",
        "null",
        f"https://evil{name}",
        f"https://{name}.evil.example",
        f"https://{name}:8443",
        f"http://{name}",
        f"https://{name}/",
        f"https://{name.upper()}",
        "https://shоp-0.example",
        "",
    ]
    for origin in foreign:
        sent = origin.encode().decode("latin-1")
        reply = post_raw(service, shop, json.dumps([one_event()]).encode(), Origin=sent)
        outcome.check(reply.status in (400, 403), f"{origin!r}: {reply.status}")
        allowed = reply.headers.get("access-control-allow-origin", "")
        outcome.check(not origin or allowed != origin, f"{origin!r} is reflected")
        outcome.rounds += 1
    still_works(drill, outcome, service, drill.journal(service))
    return outcome


@case("55", short=True)
def forged_purchase(drill: Drill) -> Outcome:
    outcome = Outcome("purchases told by a browser, and orders told with the site key")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal, caller = drill.journal(service), Caller(service.address)
    for number in range(5):
        event = one_event(type="purchase", transaction_id=f"forged-{number}", value=99_999)
        post_events(caller, journal, shop, [event])
        raw = json.dumps(make_order(drill.draw, shop)).encode()
        for headers in (
            {"Authorization": f"Bearer {shop.public_key}"},
            {"Authorization": f"Bearer {shop.secret_key}"},
            signed_headers(shop.signing_secret, raw),
        ):
            reply = caller.ask("POST", "/v1/orders", raw, headers)
            outcome.check(reply.status in (401, 403), f"half an authorisation: {reply.status}")
            outcome.rounds += 1
    caller.close()
    drill.close_books(outcome, service, journal)
    found = orders_of(service, shop)
    outcome.check(not found, f"{len(found)} orders in the ledger")
    return outcome


@case("56", short=True)
def forged_signatures(drill: Drill) -> Outcome:
    outcome = Outcome("signatures altered, cut, missing, of another shop, too old, in the future")
    service = drill.visit()
    own, other = service.shops
    caller = Caller(service.address)
    order = make_order(drill.draw, own)
    raw = json.dumps(order).encode()
    good = signed_headers(own.signing_secret, raw)
    forged = {
        "other body": (raw.replace(b"EUR", b"USD"), good),
        "other shop's secret": (raw, signed_headers(other.signing_secret, raw)),
        "cut": (raw, good | {"webhook-signature": good["webhook-signature"][:-3]}),
        "old": (raw, signed_headers(own.signing_secret, raw, age_seconds=301)),
        "future": (raw, signed_headers(own.signing_secret, raw, age_seconds=-301)),
        "other id": (raw, good | {"webhook-id": "msg_other"}),
        "other time": (raw, good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}),
        "no version": (raw, good | {"webhook-signature": good["webhook-signature"][3:]}),
        "not a number": (raw, good | {"webhook-timestamp": "now"}),
        "unsigned": (raw, {}),
    }
    for name, (body, headers) in forged.items():
        key = {"Authorization": f"Bearer {own.secret_key}"}
        reply = caller.ask("POST", "/v1/orders", body, headers | key)
        outcome.check(reply.status == 401, f"{name}: {reply.status}")
        outcome.rounds += 1
    caller.close()
    outcome.check(not orders_of(service, own), "a forged order is in the ledger")
    still_works(drill, outcome, service, drill.journal(service))
    return outcome


@case("57", short=True)
def fifty_at_once(drill: Drill) -> Outcome:
    outcome = Outcome("one signed order fifty times at once, from fifty connections")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal = drill.journal(service)
    order = make_order(drill.draw, shop)
    statuses: list[int | None] = []

    def send() -> None:
        caller = Caller(service.address, seconds=30.0)
        statuses.append(post_order(caller, journal, shop, order).status)
        caller.close()

    together([send] * 50)
    outcome.rounds = 50
    outcome.check(set(statuses) <= {200, 201, 409, 503}, f"answers {set(statuses)}")
    outcome.notes.append(f"{statuses.count(201)} × 201, {statuses.count(200)} × 200")
    drill.close_books(outcome, service, journal)
    found = orders_of(service, shop)
    outcome.check(len(found) == 1, f"{len(found)} rows")
    return outcome


@case("42", short=True)
def out_of_order(drill: Drill) -> Outcome:
    outcome = Outcome("refund before its order, order before the view, in every order of sending")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal, caller = drill.journal(service), Caller(service.address)
    for number in range(6):
        order = make_order(drill.draw, shop)
        refund = {
            "refund_id": f"refund-{number}-{order['order_id']}",
            "order_id": order["order_id"],
            "refunded_at": order["placed_at"],
            "currency": "EUR",
            "net_minor": order["net_minor"] // 2,
        }
        steps = ["view", "order", "refund"]
        drill.draw.shuffle(steps)
        for step in steps:
            if step == "view":
                post_events(caller, journal, shop, [one_event()])
            elif step == "order":
                post_order(caller, journal, shop, order)
            else:
                raw = json.dumps(refund).encode()
                headers = {"Authorization": f"Bearer {shop.secret_key}"}
                signed = signed_headers(shop.signing_secret, raw)
                told = caller.ask("POST", "/v1/refunds", raw, headers | signed)
                outcome.check(told.status in (201, 202), f"refund, {steps}: {told.status}")
        outcome.rounds += 1
    caller.close()
    drill.close_books(outcome, service, journal)
    kinds = [kind for kind, _ in orders_of(service, shop)]
    outcome.check(kinds.count("refund") == 6, f"{kinds.count('refund')} of 6 refunds stored")
    return outcome


@case("59", short=True)
def holdout_tampering(drill: Drill) -> Outcome:
    outcome = Outcome("clients that claim an arm in query, header, cookie and event")
    service = drill.visit(n_shops=1, n_items=10)
    (shop,) = service.shops
    caller = Caller(service.address)
    with service.inside() as services:
        stratum = services.shops.by_id(shop.shop_id).current_stratum
    for number in range(20):
        visitor = f"tamper-{number}"
        query = {"key": shop.public_key, "placement": "home", "visitor_id": visitor}
        told = caller.ask(
            "GET",
            f"/v1/recommendations?{urlencode(query | {'arm': 'control', 'stratum': '9'})}",
            headers={"Cookie": "arm=control", "X-Arm": "control"},
        ).json()
        wanted = assign(visitor, stratum).value
        outcome.check(told["arm"] == wanted, f"arm {told['arm']} instead of {wanted}")
        outcome.rounds += 1
    caller.close()
    return outcome


@case("69", short=True)
def log_injection(drill: Drill) -> Outcome:
    outcome = Outcome("line ends in every field and header; secrets looked for in all logs")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    evil = 'x\r\n{"level":"critical","event":"forged"}\r\n'
    journal, caller = drill.journal(service), Caller(service.address)
    for field in ("page", "visitor_id", "type", "order_id", "search_term", "session"):
        post_events(caller, journal, shop, [one_event(**{field: evil})])
        outcome.rounds += 1
    for path in (f"/v1/config/{urlencode({'a': evil})}", f"/{urlencode({'b': evil})}"):
        caller.ask("GET", path, headers={"Authorization": f"Bearer {shop.secret_key}"})
    caller.ask("POST", "/v1/orders", b"{}", {"Authorization": f"Bearer {shop.secret_key}"})
    caller.ask("POST", path_of(shop), b"[", {"Authorization": f"Bearer {shop.secret_key}"})
    caller.close()
    still_works(drill, outcome, service, journal)
    lines = service.log().splitlines()
    forged = [line for line in lines if line.startswith('{"level":"critical"')]
    outcome.check(not forged, f"{len(forged)} lines were made up from outside")
    for name, secret in (("secret key", shop.secret_key), ("signing secret", shop.signing_secret)):
        outcome.check(secret not in service.log(), f"the {name} is in the log")
    return outcome


@case("86", short=True)
def colliding_order_ids(drill: Drill) -> Outcome:
    outcome = Outcome("one order id in two shops; case, leading zeros, blanks")
    service = drill.visit()
    journal, caller = drill.journal(service), Caller(service.address)
    base = f"{drill.draw.randrange(10**8):08d}"
    # The journal goes by id, and an id may stand in it for one shop only.
    own = [f"A{base}", f"a{base}", f"0A{base}", f" A{base}", f"A{base} "]
    accepted = 0
    for one in own:
        order = make_order(drill.draw, service.shops[0]) | {"order_id": one}
        accepted += post_order(caller, journal, service.shops[0], order).status == 201
        outcome.rounds += 1
    shared = make_order(drill.draw, service.shops[1]) | {"order_id": own[0]}
    silent = drill.journal(service)
    reply = post_order(caller, silent, service.shops[1], shared)
    outcome.check(reply.status == 201, f"the same id in another shop: {reply.status}")
    caller.close()
    drill.close_books(outcome, service, journal)
    ids = {one for _, one in orders_of(service, service.shops[0])}
    outcome.check(len(ids) == accepted, f"{accepted} accepted, {len(ids)} kept apart")
    outcome.check(len(orders_of(service, service.shops[1])) == 1, "the other shop's was mixed up")
    return outcome


@case("87", short=True)
def thank_you_page(drill: Drill) -> Outcome:
    outcome = Outcome("a thank-you page loaded fifty times, its order sent again each time")
    service = drill.visit(n_shops=1)
    (shop,) = service.shops
    journal, caller = drill.journal(service), Caller(service.address)
    order = make_order(drill.draw, shop)
    for _ in range(50):
        post_order(caller, journal, shop, order)
        event = one_event(type="purchase", transaction_id=order["order_id"])
        post_events(caller, journal, shop, [event])
        outcome.rounds += 1
    caller.close()
    drill.close_books(outcome, service, journal)
    outcome.check(len(orders_of(service, shop)) == 1, "more than one order")
    return outcome
