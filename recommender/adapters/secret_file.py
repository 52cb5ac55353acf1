"""The service's own secret in a private file.

In comes a path, out go 32 bytes, always the same ones. Must not know what they protect.
"""

import os
import secrets
import stat
from pathlib import Path

from recommender.errors import InconsistentError, NotAllowedError

SECRET_BYTES = 32
LEAST_DIFFERENT_BYTES = 16
"""32 random bytes have fewer once in 10^16 draws; a repeated or typed default has fewer."""


def read_or_make_secret(path: Path) -> bytes:
    """Return the secret in `path`, made on first use.

    Two processes that both find no file end with the same secret: the first one's.

    Raises:
        NotAllowedError: Others than the owner may read or write the file, or it holds no random
            bytes.
        InconsistentError: The file does not hold 32 bytes.
    """
    if not path.exists():
        _make(path)
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        secret = file.read(SECRET_BYTES + 1)
    if mode & 0o077:
        raise NotAllowedError(
            f"{path} can be read by others (mode {mode:04o}); allow its owner only (0600)",
            code="secret-exposed",
        )
    if len(secret) != SECRET_BYTES:
        raise InconsistentError(f"{path} does not hold {SECRET_BYTES} bytes", code="secret-damaged")
    if len(set(secret)) < LEAST_DIFFERENT_BYTES:
        raise NotAllowedError(
            f"{path} does not hold random bytes; write 32 of them, for example from /dev/urandom",
            code="secret-weak",
        )
    return secret


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A hard link appears at once and complete, and never replaces a secret already in use.
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()
