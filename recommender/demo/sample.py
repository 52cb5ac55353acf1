"""Make the demo's order lines from the public file: all lines, smaller types, one Parquet file.

Run through `scripts/make-demo-sample`, once; its result is kept in `data/`.
"""

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from recommender.events.history_files import read_table

SAMPLE = Path(__file__).parent / "data" / "online-retail-2011.parquet"


def compact_lines(table: Any) -> Any:
    """Return the lines of the second year's file under the first year's column names."""
    customer = pc.replace_substring_regex(table["CustomerID"], r"\.0$", "")
    return pa.table(
        {
            "Invoice": table["InvoiceNo"],
            "StockCode": table["StockCode"],
            "Description": table["Description"],
            "Quantity": table["Quantity"].cast(pa.int32()),
            "InvoiceDate": pc.strptime(table["InvoiceDate"], "%Y-%m-%d %H:%M:%S", "s"),
            "Price": table["UnitPrice"].cast(pa.float64()),
            "Customer ID": pc.if_else(pc.equal(customer, ""), None, customer).cast(pa.int32()),
            "Country": table["Country"],
        }
    )


def main() -> None:
    """Read the file named on the command line and write the sample."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else SAMPLE
    lines = compact_lines(read_table(source))
    pa_parquet.write_table(
        lines, target, compression="zstd", compression_level=19, row_group_size=lines.num_rows
    )
    print(f"{lines.num_rows} lines, {target.stat().st_size} bytes: {target.name}")


if __name__ == "__main__":
    main()
