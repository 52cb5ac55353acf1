"""Who sends the invoices, and which VAT they carry. Pure; the identity is the demo vendor's."""

from dataclasses import dataclass

# The 27 member states as VAT knows them: Greece's VAT numbers begin with EL, its ISO code is GR.
_EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)


@dataclass(frozen=True, slots=True)
class Party:
    """Seller or buyer as an invoice names them.

    Attributes:
        lines: Address, line by line; empty while it is not known.
        registrations: Company register and VAT numbers as printed.
    """

    name: str
    country: str
    lines: tuple[str, ...] = ()
    registrations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vendor:
    """The seller and the seller's terms.

    Attributes:
        vat_rate_bps: Standard rate at home, basis points.
        timezone: Where an invoice's date is read off the clock.
        payment_days: Days from issue until payment is due.
    """

    party: Party
    vat_rate_bps: int
    timezone: str
    payment_days: int
    terms: str


VENDOR = Vendor(
    party=Party(
        name="Recommender SAS (demo vendor)",
        country="FR",
        lines=("1 rue de l'Exemple", "75000 Paris", "France"),
        registrations=("Capital 10,000 EUR", "SIREN 000 000 000", "VAT FR00 000000000"),
    ),
    vat_rate_bps=2_000,
    timezone="Europe/Paris",
    payment_days=30,
    terms=(
        "Late payment: interest at three times the legal rate and a fixed recovery charge of "
        "40 EUR. No discount for early payment."
    ),
)


@dataclass(frozen=True, slots=True)
class Vat:
    """Rate and the words the law wants beside it."""

    rate_bps: int
    note: str


def vat_for(buyer_country: str, vendor: Vendor) -> Vat:
    """Return the VAT on a service to a business in a country.

    Source: directive 2006/112/EC, articles 44 and 196; France: CGI 259-1 and 283-2.
    """
    if buyer_country == vendor.party.country:
        return Vat(vendor.vat_rate_bps, f"VAT {vendor.vat_rate_bps / 100:g} %")
    if buyer_country in _EU:
        return Vat(
            0, "Autoliquidation: VAT is due by the customer (article 196, directive 2006/112/EC)"
        )
    return Vat(0, "Service supplied outside the European Union: no VAT (article 259-1 CGI)")
