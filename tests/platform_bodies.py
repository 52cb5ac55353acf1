"""Messages as shop platforms send them, small and with amounts that a reader can add up."""

from typing import Any

# Two mugs at 12.00 and one tea at 6.00, 10 % off the order, prices with 20 % tax, 5.00 shipping.
# Goods: 30.00 − 3.00 = 27.00 with 4.50 tax, so 22.50 net. Shipping 5.00 with 0.83 tax.
SHOPIFY: dict[str, Any] = {
    "id": 5001,
    "name": "#1001",
    "email": "Ann@Example.com ",
    "created_at": "2026-03-02T10:00:00+01:00",
    "updated_at": "2026-03-02T10:00:00+01:00",
    "cancelled_at": None,
    "currency": "EUR",
    "taxes_included": True,
    "subtotal_price": "27.00",
    "total_tax": "5.33",
    "total_price": "32.00",
    "cart_token": "cart-77",
    "checkout_token": "chk-88",
    "note_attributes": [],
    "test": False,
    "line_items": [
        {
            "product_id": 11,
            "variant_id": 111,
            "sku": "MUG",
            "quantity": 2,
            "price": "12.00",
            "total_discount": "0.00",
            "discount_allocations": [{"amount": "2.40"}],
            "tax_lines": [{"price": "3.60"}],
            "gift_card": False,
        },
        {
            "product_id": 12,
            "variant_id": None,
            "sku": "",
            "quantity": 1,
            "price": "6.00",
            "discount_allocations": [{"amount": "0.60"}],
            "tax_lines": [{"price": "0.90"}],
            "gift_card": False,
        },
    ],
    "shipping_lines": [{"price": "5.00", "tax_lines": [{"price": "0.83"}]}],
    "refunds": [],
}

# One mug comes back: 10.80 paid for it, 1.80 of that tax. Shipping is paid back too: 2.00.
SHOPIFY_REFUND: dict[str, Any] = {
    "id": 9001,
    "order_id": 5001,
    "created_at": "2026-03-04T09:00:00+01:00",
    "processed_at": "2026-03-04T09:00:00+01:00",
    "refund_line_items": [{"quantity": 1, "subtotal": "10.80", "total_tax": "1.80"}],
    "order_adjustments": [{"kind": "shipping_refund", "amount": "-2.00", "tax_amount": "0.00"}],
    "transactions": [{"kind": "refund", "status": "success", "amount": "12.80"}],
}

# 40.00 of goods and 5.00 shipping, 9.00 tax on both: 54.00 in all.
WOOCOMMERCE: dict[str, Any] = {
    "id": 727,
    "number": "727",
    "status": "processing",
    "currency": "EUR",
    "date_created": "2026-03-02T10:00:00",
    "date_created_gmt": "2026-03-02T09:00:00",
    "date_modified": "2026-03-02T10:05:00",
    "date_modified_gmt": "2026-03-02T09:05:00",
    "total": "54.00",
    "total_tax": "9.00",
    "shipping_total": "5.00",
    "prices_include_tax": True,
    "order_key": "wc_order_abc",
    "cart_hash": "0cc175b9c0f1b6a831c399e269772661",
    "billing": {"email": "ann@example.com"},
    "meta_data": [{"id": 1, "key": "recommender_visitor", "value": "v1"}],
    "line_items": [
        {"product_id": 11, "variation_id": 0, "sku": "MUG", "quantity": 4, "total": "40.00"}
    ],
    "refunds": [],
}

# 23.89 of goods less 2.00 discount, 7.08 shipping, 0.41 wrapping: 29.38 without tax.
PRESTASHOP: dict[str, Any] = {
    "order": {
        "id": 42,
        "id_cart": "37",
        "reference": "XKBKNABJK",
        "current_state": "2",
        "date_add": "2026-03-02 10:00:00",
        "date_upd": "2026-03-02 10:00:03",
        "total_paid_tax_excl": "29.380000",
        "total_shipping_tax_excl": "7.080000",
        "total_wrapping_tax_excl": "0.410000",
        "associations": {
            "order_rows": [
                {
                    "product_id": "11",
                    "product_attribute_id": "0",
                    "product_reference": "MUG",
                    "product_quantity": "1",
                    "unit_price_tax_excl": "23.890000",
                }
            ]
        },
    },
    "currency": "EUR",
    "email": "ann@example.com",
    "order_slips": "",
}
PRESTASHOP_SLIP: dict[str, Any] = {
    "id": "5",
    "date_add": "2026-03-05 12:00:00",
    "date_upd": "2026-03-05 12:00:00",
    "total_products_tax_excl": "10.000000",
}
