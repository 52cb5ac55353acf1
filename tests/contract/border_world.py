"""Two shops with all there is of a shop, and what one of them may try on the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient

from money_world import CONTRACT
from recommender import tables
from recommender.bootstrap import Services
from recommender.shops.accounts import add_user
from recommender.shops.keys import signing_secret
from recommender.shops.registry import NewShop, ShopOrder, add_contract, create_shop
from recommender.shops.webhooks import NewWebhook, Platform, add_webhook
from signing import signed_headers
from world import SHOP_ORIGIN

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Tenant:
    """A shop with one of everything, each of it named after the shop."""

    shop: NewShop
    name: str
    signing: str

    @property
    def email(self) -> str:
        return f"owner@{self.name}.example"

    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.shop.secret_key}"}

    def body(self, **fields: Any) -> dict[str, Any]:
        """A body that names this shop wherever a shop could be named."""
        shop_id = self.shop.shop_id
        items = [{"item_id": f"{self.name}-1", "title": "Taken", "price": "1.00", "url": "/x"}]
        order = {"order_id": f"{self.name}-order", "currency": "EUR", "net": "1.00"}
        rules = [{"rule_id": f"{self.name}-rule", "action": "exclude", "match": {"brands": ["x"]}}]
        return {
            "shop_id": shop_id,
            "shop": shop_id,
            "items": [item | {"shop_id": shop_id, "shop": shop_id} for item in items],
            "rules": [rule | {"shop_id": shop_id} for rule in rules],
            "customer_id": f"{self.name}-customer",
            **order,
            **fields,
        }


def open_shop(services: Services, client: FlaskClient, name: str) -> Tenant:
    """Create a shop and fill it as its owner, its server and its pages would."""
    order = ShopOrder(f"Shop {name}", "EUR", "FR", "Europe/Paris", [SHOP_ORIGIN])
    new = create_shop(order, database=services.database, now=services.now())
    tenant = Tenant(new, name, signing_secret(services.secret, new.shop_id))
    add_user(
        new.shop_id,
        tenant.email,
        PASSWORD,
        database=services.database,
        now=services.now(),
        user_id=f"user_{name}",
    )
    terms = replace(CONTRACT, shop_id=new.shop_id, starts_on=services.now().date())
    add_contract(terms, database=services.database)
    item = {"item_id": f"{name}-1", "title": f"Item of {name}", "price": "2.00", "url": "/1"}
    rule = {"rule_id": f"{name}-rule", "name": f"Rule of {name}", "action": "exclude"}
    rule |= {"match": {"brands": [name]}}
    server = tenant.bearer()
    assert client.put("/v1/items", json={"items": [item]}, headers=server).status_code == 200
    assert client.put("/v1/rules", json={"rules": [rule]}, headers=server).status_code == 200
    _report_money(services, tenant)
    add_webhook(
        new.shop_id,
        NewWebhook(Platform.SHOPIFY, domain=f"{name}.example"),
        database=services.database,
        service_secret=services.secret,
        now=services.now(),
        random=lambda n: (name.encode() * n)[:n],
    )
    return tenant


def _report_money(services: Services, tenant: Tenant) -> None:
    shop_id, now = tenant.shop.shop_id, services.now()
    of_month = {"shop_id": shop_id, "month": "2026-02", "contract_version": 1, "currency": "EUR"}
    told = {"sentence": f"Sentence of {tenant.name}", "explanation": "", "shop_id": shop_id}
    statement = of_month | {"amount_minor": 100, "body": told, "closed_at": now}
    invoice = of_month | {
        "kind": "invoice",
        "amount_minor": 100,
        "pdf": b"%PDF " + shop_id.encode(),
    }
    invoice |= {"number": f"INV-{tenant.name}", "statement_sha256": "0" * 64, "issued_at": now}
    feed = {"shop_id": shop_id, "feed_id": f"feed_{tenant.name}", "state": "done", "url": ""}
    feed |= {"report": {"of": tenant.name}, "created_at": now}
    with services.database.begin() as connection:
        connection.execute(tables.statements.insert().values(body_sha256="0" * 64, **statement))
        connection.execute(tables.invoices.insert().values(invoice))
        connection.execute(tables.feeds.insert().values(feed))


def rows_of(services: Services, shop_id: str) -> dict[str, list[Any]]:
    """All that the control database holds of a shop, by table."""
    with services.database.connect() as connection:
        return {
            table.name: sorted(
                map(str, connection.execute(sa.select(table).where(table.c.shop_id == shop_id)))
            )
            for table in tables.metadata.sorted_tables
            if "shop_id" in table.c
        }


def send(
    client: FlaskClient, method: str, path: str, sender: Tenant, body: Mapping[str, Any]
) -> Any:
    """Send a request as the sender's server would: with its key, and signed."""
    data = json.dumps(body).encode()
    headers = sender.bearer() | signed_headers(sender.signing, data)
    headers |= {"Origin": SHOP_ORIGIN, "Content-Type": "application/json"}
    named = {"shop": body["shop_id"], "shop_id": body["shop_id"], "key": sender.shop.public_key}
    return client.open(path, method=method, data=data, headers=headers, query_string=named)
