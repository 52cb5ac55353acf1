"""Settings."""

from pathlib import Path

import pytest

from recommender.config import Settings
from recommender.errors import InvalidInputError


def test_defaults_live_under_home() -> None:
    settings = Settings.from_environ({"RECOMMENDER_HOME": "/srv/rec"})
    assert settings.database_url == "sqlite:////srv/rec/control.db"
    assert settings.lake_url == "/srv/rec/lake"
    assert settings.secret_key_file == Path("/srv/rec/secret.key")
    assert settings.redis_url == ""


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Settings.from_environ(
            {
                "RECOMMENDER_PORT": "eighty",
                "RECOMMENDER_REDIS_URL": "http://somewhere",
                "RECOMMENDER_ENGINE": "abacus",
            }
        )
    for name in ("RECOMMENDER_PORT", "RECOMMENDER_REDIS_URL", "RECOMMENDER_ENGINE"):
        assert name in str(caught.value)


def test_a_faulty_url_is_not_repeated_with_its_password() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Settings.from_environ({"RECOMMENDER_DATABASE_URL": "mysql://user:secret@host/db"})
    assert "secret" not in str(caught.value)


def test_postgresql_urls_name_our_driver() -> None:
    settings = Settings.from_environ({"RECOMMENDER_DATABASE_URL": "postgresql://u@h/db"})
    assert settings.database_url == "postgresql+psycopg://u@h/db"


def test_a_child_sees_the_same_settings() -> None:
    settings = Settings.from_environ({"RECOMMENDER_HOME": "/srv/rec", "RECOMMENDER_PORT": "9001"})
    child = settings.child_environ(RECOMMENDER_REDIS_URL="unix:///run/x.sock")
    seen = Settings.from_environ(child)
    assert seen.port == 9001
    assert seen.redis_url == "unix:///run/x.sock"
    assert seen.home == settings.home
