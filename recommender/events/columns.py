"""Events as columns: the one schema of the event log, for its writers and readers. Pure."""

import pyarrow as pa

UTC_TIME = pa.timestamp("us", "UTC")
ITEM = pa.struct([("item_id", pa.string()), ("quantity", pa.int32()), ("price_minor", pa.int64())])
EVENT_SCHEMA = pa.schema(
    [
        ("shop_id", pa.string()),
        ("event_id", pa.string()),
        ("type", pa.string()),
        ("visitor", pa.string()),
        ("occurred_at", UTC_TIME),
        ("received_at", UTC_TIME),
        ("day", pa.date32()),
        ("source", pa.string()),
        ("items", pa.list_(ITEM)),
        ("placement", pa.string()),
        ("arm", pa.string()),
        ("stratum", pa.int32()),
        ("slate_id", pa.string()),
        ("order_id", pa.string()),
        ("search_term", pa.string()),
        ("session", pa.string()),
        ("page", pa.string()),
        ("bot", pa.string()),
    ]
)
"""One row an event, the fields of `records.Event`; only a price inside `items` may be null."""
