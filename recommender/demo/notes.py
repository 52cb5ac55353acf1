"""What the demo must remember between two starts, in files only its owner can read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from recommender.errors import UnavailableError


@dataclass(frozen=True, slots=True)
class DemoNotes:
    """The demo shop's keys and login, and how far it is loaded.

    Attributes:
        cookie_key: Signs the cart's cookie of the storefront.
        last_on: Last simulated day, ISO 8601; decides all dates of the demo.
        is_loaded: Whether orders, shoppers and training are complete.
    """

    shop_id: str
    public_key: str
    secret_key: str
    signing_secret: str
    email: str
    password: str
    cookie_key: str
    last_on: str
    is_loaded: bool = False


@dataclass(frozen=True, slots=True)
class StorefrontConfig:
    """What the storefront knows of the service: an address and the keys every shop gets.

    Attributes:
        service_url: Address of the service, without a trailing slash.
        outbox: Folder of orders not yet told.
        catalogue: The storefront's own list of goods.
        cookie_key: Signs the cart's cookie.
    """

    service_url: str
    public_key: str
    secret_key: str
    signing_secret: str
    outbox: str
    catalogue: str
    cookie_key: str


def demo_folder(home: Path) -> Path:
    """Return the demo's folder, made when absent."""
    folder = home / "demo"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def read_notes(folder: Path) -> DemoNotes | None:
    """Return the notes of an earlier start, None at the first one.

    Raises:
        UnavailableError: They are damaged.
    """
    path = folder / "notes.json"
    if not path.exists():
        return None
    try:
        return DemoNotes(**json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise UnavailableError(
            f"{path} is damaged; remove the home folder to begin the demo anew",
            code="demo-damaged",
        ) from error


def write_notes(folder: Path, notes: DemoNotes) -> None:
    """Keep the notes."""
    write_private(folder / "notes.json", json.dumps(asdict(notes), indent=1))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, all or nothing."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
