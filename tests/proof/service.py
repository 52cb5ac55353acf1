"""A planted effect through the whole service: shoppers over HTTP, signed orders, the measurement.

Nothing reaches into a store. A shopper asks for a slate and learns the arm from the answer; the
simulation, not the service, decides who buys, so the true effect is known.
"""

import http.client
import json
import urllib.parse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal

from processes import wait_until
from proof.markets import markets
from proof.section import Scale, Section
from recommender.bench import synthetic, world
from recommender.bench.web_process import SERVICE, WebProcess, web_process
from recommender.bootstrap import Services
from recommender.catalog.update import put_items
from recommender.events.ingest import MAX_ENTRIES, WRITER, ingest_once
from recommender.experiments.assignment import assign
from recommender.records import Arm, Contract, Stratum
from recommender.shops.keys import signing_secret
from recommender.shops.registry import NewShop, ShopOrder, add_contract, create_shop
from recommender.uplift.estimate import Estimate, estimate
from recommender.uplift.measure import measure
from signing import signed_headers

_CONVERSION = 0.2
_CAP_MINOR = 100_000
_N_ITEMS = 200
_CLIENTS = 4
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
_HEAD = (
    *("planted effect", "shoppers", "orders", "true uplift so far", "measured"),
    *("sequence", "orders measured ÷ sent"),
)


@dataclass(frozen=True, slots=True)
class Shopper:
    """One visitor's fate, drawn before anybody asks the service.

    Attributes:
        buys_anyway: Buys with or without recommendations.
        buys_treated: Buys with recommendations.
    """

    visitor_id: str
    minor: int
    buys_anyway: bool
    buys_treated: bool

    def buys(self, arm: Arm) -> bool:
        return self.buys_treated if arm is Arm.TREATMENT else self.buys_anyway


@dataclass(frozen=True, slots=True)
class Visit:
    """What came of a shopper: the arm that the service named, and the order that it took."""

    shopper: Shopper
    arm: Arm

    @property
    def caused_minor(self) -> int:
        """Return what the recommendations truly caused, below the contract's cap."""
        caused = self.arm is Arm.TREATMENT and not self.shopper.buys_anyway
        return min(self.shopper.minor, _CAP_MINOR) if caused and self.shopper.buys_treated else 0


def run(scale: Scale) -> Section:
    section = Section("Recovery of planted effects through the whole service")
    section.say(
        "Real web processes, event log and database. Half of the shoppers are treated, one in five "
        "buys anyway, order values are drawn from Online Retail II, the contract counts at most "
        "1,000.00 of an order. The true uplift is what the simulation caused, order by order."
    )
    rows = []
    with world.temporary_services() as services, web_process(services.settings, SERVICE) as web:
        for number, effect in enumerate((0.0, 0.6) if scale.quick else (0.0, 0.5, 1.0)):
            shoppers = _shoppers(scale, effect, number)
            rows.append(_trial(services, web, shoppers, effect, section))
    section.table(_HEAD, rows)
    return section


def _shoppers(scale: Scale, effect: float, number: int) -> list[Shopper]:
    random = scale.random(6, number)
    n = scale.pick(1_500, 300)
    baskets = markets(scale.data, quick=True)[1].spent[:, 0]
    minor = random.choice(baskets, n).astype(int)
    drawn = random.random(n)
    return [
        Shopper(
            f"shopper-{number}-{place}",
            int(minor[place]),
            bool(drawn[place] < _CONVERSION),
            bool(drawn[place] < _CONVERSION * (1 + effect)),
        )
        for place in range(n)
    ]


def _trial(
    services: Services,
    web: WebProcess,
    shoppers: Sequence[Shopper],
    effect: float,
    section: Section,
) -> list[str]:
    new, contract = _open_shop(services, len(shoppers))
    with ThreadPoolExecutor(_CLIENTS) as pool:
        parts = [shoppers[place::_CLIENTS] for place in range(_CLIENTS)]
        visits = [
            visit
            for part in pool.map(lambda part: _shop(services, web, new, part), parts)
            for visit in part
        ]
    _ingest(services)
    found, orders = _measured(services, new, contract)
    sent = [visit for visit in visits if visit.shopper.buys(visit.arm)]
    stratum = services.shops.by_id(new.shop_id).current_stratum
    return _report(section, visits, len(sent), found, orders, effect, stratum)


def _open_shop(services: Services, n_shoppers: int) -> tuple[NewShop, Contract]:
    order = ShopOrder(
        name="Trial",
        currency="GBP",
        country="GB",
        timezone="UTC",
        origins=[world.ORIGIN],
        treatment_share_ppm=500_000,
    )
    now = services.now()
    new = create_shop(order, database=services.database, now=now)
    put_items(
        list(synthetic.goods(new.shop_id, _N_ITEMS, order.currency, world.SEED)),
        database=services.database,
        hot_state=services.state,
        shop_id=new.shop_id,
        now=now,
    )
    contract = Contract(
        shop_id=new.shop_id,
        version=1,
        starts_on=now.date(),
        rate_bps=1_000,
        policy="gated_midpoint",
        cap_month_bps=1_000,
        cap_year_minor=0,
        order_cap_minor=_CAP_MINOR,
        alpha_ppm=50_000,
        n_star=n_shoppers,
        currency=order.currency,
    )
    return new, add_contract(contract, database=services.database)


def _shop(
    services: Services, web: WebProcess, new: NewShop, shoppers: Sequence[Shopper]
) -> list[Visit]:
    secret = signing_secret(services.secret, new.shop_id)
    connection = http.client.HTTPConnection(web.settings.host, web.settings.port, timeout=30)
    visits = []
    for shopper in shoppers:
        arm = _ask_slate(connection, new, shopper)
        visits.append(Visit(shopper, arm))
        if shopper.buys(arm):
            _order(connection, new, secret, shopper, services.now().isoformat())
    connection.close()
    return visits


def _ask_slate(connection: http.client.HTTPConnection, new: NewShop, shopper: Shopper) -> Arm:
    query = urllib.parse.urlencode(
        {"key": new.public_key, "placement": "home", "visitor_id": shopper.visitor_id, "n": "4"}
    )
    headers = {"Origin": world.ORIGIN, "User-Agent": _BROWSER}
    connection.request("GET", f"/v1/recommendations?{query}", headers=headers)
    answer = connection.getresponse()
    slate = json.loads(answer.read())
    assert answer.status == 200, slate
    return Arm(slate["arm"])


def _order(
    connection: http.client.HTTPConnection, new: NewShop, secret: str, shopper: Shopper, at: str
) -> None:
    body = json.dumps(
        {
            "order_id": f"order-{shopper.visitor_id}",
            "visitor_id": shopper.visitor_id,
            "placed_at": at,
            "currency": "GBP",
            "net_minor": shopper.minor,
            "items": [{"item_id": synthetic.item_id(1), "quantity": 1}],
        }
    ).encode()
    headers = {
        "Authorization": f"Bearer {new.secret_key}",
        "Content-Type": "application/json",
        **signed_headers(secret, body),
    }
    connection.request("POST", "/v1/orders", body, headers)
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status < 300, told


def _ingest(services: Services) -> None:
    # What a busy disk took too long for waits there until the web server brings it back.
    wait_until(lambda: services.state.spool.size_bytes() == 0, seconds=60)
    while services.state.pending():
        ingest_once(
            services.state,
            services.event_log,
            database=services.database,
            writer=WRITER,
            now=services.now,
            limit=MAX_ENTRIES,
            block_ms=0,
        )


def _measured(services: Services, new: NewShop, contract: Contract) -> tuple[Estimate, int]:
    now = services.now()
    sums = measure(
        services.shops.by_id(new.shop_id),
        event_log=services.event_log,
        database=services.database,
        contract=contract,
        through=now.date(),
        now=now,
    )
    found = estimate(sums, alpha=Decimal("0.05"), n_star=contract.n_star)
    assert found is not None
    return found, sum(row.orders for row in sums)


def _report(
    section: Section,
    visits: Sequence[Visit],
    sent: int,
    found: Estimate,
    orders: int,
    effect: float,
    stratum: Stratum,
) -> list[str]:
    assert all(visit.arm is assign(visit.shopper.visitor_id, stratum) for visit in visits)
    caused = sum(visit.caused_minor for visit in visits)
    low, high = (float(bound) for bound in found.interval_minor(found.sequence))
    baseline = float(found.treated_minor) - caused
    measured = float(found.relative_uplift or 0)
    section.check(
        f"planted {effect:+.0%}: the sequence holds the truth",
        f"{caused / 100:,.0f} in {low / 100:,.0f} to {high / 100:,.0f} GBP",
        "inside",
        low <= caused <= high,
    )
    section.check(
        f"planted {effect:+.0%}: every order sent is measured",
        f"{orders} of {sent}",
        "all",
        orders == sent,
    )
    relative = found.relative_interval(found.sequence)
    told = "none yet" if relative is None else f"{relative[0]:+.0%} to {relative[1]:+.0%}"
    return [
        f"{effect:+.0%}",
        f"{len(visits):,}",
        f"{sent:,}",
        f"{caused / baseline:+.1%}",
        f"{measured:+.1%}",
        told,
        f"{orders} ÷ {sent}",
    ]
