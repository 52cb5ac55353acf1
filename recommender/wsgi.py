"""gunicorn's entry: settings → services → Flask application."""

import gc
import time

import sqlalchemy as sa

from recommender.bootstrap import Services, bootstrap
from recommender.config import Settings
from recommender.errors import RecommenderError
from recommender.serving.warm_up import warm_up as warm_up_model
from recommender.telemetry import configure_logging, get_logger
from recommender.upkeep import start_upkeep
from recommender.web.app import create_app

WARM_UP_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
"""All who ask this worker meanwhile wait too; a small shop takes a hundredth of it."""


def warm_up(services: Services) -> None:
    """Load what the first shoppers would otherwise wait for, as far as time allows."""
    ends_at = time.monotonic() + WARM_UP_SECONDS
    try:
        for shop in services.shops.all():
            if time.monotonic() > ends_at:
                return
            model = services.models.load(shop.shop_id)
            if model is not None:
                catalogue = services.catalogues.load(shop.shop_id)
                warm_up_model(shop, model, catalogue, now=services.now())
            if services.models.make_room():
                return
    except (RecommenderError, sa.exc.SQLAlchemyError) as error:
        # Requests load for themselves, and readiness tells what is missing.
        get_logger().warning("not-warmed-up", reason=str(error))


configure_logging(service="web")
_services = bootstrap(
    Settings.from_environ(), shops_by_request=True, patience_seconds=PATIENCE_SECONDS
)
app = create_app(_services)
start_upkeep(_services)
warm_up(_services)
# What is loaded stays: a collection that walks through all of it stops every request for 0.1 s.
gc.freeze()
