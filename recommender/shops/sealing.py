"""Secrets of others, kept so that the database alone does not tell them. Pure.

In comes a secret that we must be able to use later (a platform's webhook secret); out go bytes that
only the service's own secret opens, and only for the purpose they were sealed for.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from recommender.errors import InconsistentError

NONCE_BYTES = 12


def seal(secret: str, *, service_secret: bytes, purpose: str, nonce: bytes) -> bytes:
    """Encrypt a secret with AES-256-GCM.

    Args:
        secret: What nobody else may read.
        service_secret: The service's own secret, 32 bytes.
        purpose: Shop and use; sealed bytes moved to another row do not open there.
        nonce: `NONCE_BYTES` random bytes, never used twice.
    """
    return nonce + _cipher(service_secret).encrypt(nonce, secret.encode(), purpose.encode())


def unseal(sealed: bytes, *, service_secret: bytes, purpose: str) -> str:
    """Return what was sealed for this purpose.

    Raises:
        InconsistentError: `sealed-secret`: sealed under another service secret or for another
            purpose, or changed.
    """
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return _cipher(service_secret).decrypt(nonce, ciphertext, purpose.encode()).decode()
    except (InvalidTag, ValueError) as error:
        raise InconsistentError(
            f"The secret for {purpose} does not open with this service's secret",
            code="sealed-secret",
        ) from error


def _cipher(service_secret: bytes) -> AESGCM:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"recommender:sealed-secrets")
    return AESGCM(derive.derive(service_secret))
