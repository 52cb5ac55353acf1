"""Keys."""

import os

from standardwebhooks import Webhook

from recommender.shops.keys import key_hash, public_key, secret_key, signing_secret


def test_keys_are_prefixed_and_differ_with_their_randomness() -> None:
    first, second = os.urandom(32), os.urandom(32)
    assert secret_key(first).startswith("sk_")
    assert public_key(first).startswith("pk_")
    assert secret_key(first) != secret_key(second)
    assert key_hash(secret_key(first)) != key_hash(secret_key(second))


def test_the_signing_secret_is_the_shops_own_and_a_standard_webhooks_secret() -> None:
    service_secret = b"s" * 32
    secret = signing_secret(service_secret, "shop_1")
    assert secret == signing_secret(service_secret, "shop_1")
    assert secret != signing_secret(service_secret, "shop_2")
    assert secret != signing_secret(b"t" * 32, "shop_1")
    Webhook(secret)
