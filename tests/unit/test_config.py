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
                "RECOMMENDER_ENGINE": "spark",
                "RECOMMENDER_PUBLIC_URL": "foo",
                "RECOMMENDER_LAKE_URL": "s3://",
            }
        )
    for name in ("PORT", "REDIS_URL", "ENGINE", "PUBLIC_URL", "LAKE_URL"):
        assert f"RECOMMENDER_{name} must be" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "ftp://shop.example"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https://a shop.example"),
        ("PUBLIC_URL", "https://me:secret@r.example"),
        ("PUBLIC_URL", "https://r.example?a=b"),
        ("PUBLIC_URL", "http://r.example:99999"),
        ("LAKE_URL", "file:///srv/lake"),
        ("LAKE_URL", "ftp://key:secret@host/lake"),
        ("LAKE_URL", "gs:///"),
    ],
)
def test_an_address_that_nobody_could_use_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=f"RECOMMENDER_{name} must be") as caught:
        Settings.from_environ({f"RECOMMENDER_{name}": value})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("PUBLIC_URL", "https://r.example/shops/", "https://r.example/shops"),
        ("PUBLIC_URL", "http://[::1]:8000", "http://[::1]:8000"),
        ("HOST", "::1", "http://[::1]:8000"),
    ],
)
def test_a_public_address_is_kept_without_its_last_slash(name: str, value: str, kept: str) -> None:
    assert Settings.from_environ({f"RECOMMENDER_{name}": value}).public_url == kept


def test_a_lake_may_lie_in_a_folder_or_an_object_store() -> None:
    for lake in ("var/lake", "s3://bucket/lake", "abfss://container@account/lake"):
        assert Settings.from_environ({"RECOMMENDER_LAKE_URL": lake}).lake_url == lake


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
