"""Salted hash of a visitor → arm. The same few lines run in the widget. Pure."""

import hashlib

from recommender.records import Arm, Stratum


def assign(visitor_id: str, stratum: Stratum) -> Arm:
    """Return the arm of a visitor.

    The first 32 bits of SHA-256(salt ‖ visitor id), read as a big-endian number, are compared
    with the treatment share of 2³².

    Args:
        visitor_id: The id as the browser knows it, not its pseudonym, so that the shop can
            recompute the arm.
        stratum: Salt and treatment share in force.
    """
    digest = hashlib.sha256((stratum.salt + visitor_id).encode()).digest()
    drawn = int.from_bytes(digest[:4], "big")
    threshold = stratum.treatment_share_ppm * (1 << 32) // 1_000_000
    return Arm.TREATMENT if drawn < threshold else Arm.CONTROL
