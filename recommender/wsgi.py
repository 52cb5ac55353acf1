"""gunicorn's entry: settings → services → Flask application."""

from recommender.bootstrap import bootstrap
from recommender.config import Settings
from recommender.telemetry import configure_logging
from recommender.web.app import create_app

configure_logging(service="web")
app = create_app(bootstrap(Settings.from_environ()))
