"""Who sends an invoice, who gets it, and which VAT it carries. Pure.

Everything on a document about its two parties comes from these records; `billing.parties` keeps
them, `billing.party_fields` reads and checks what people write.
"""

from dataclasses import dataclass

from recommender.errors import InvalidInputError

# The 27 member states as VAT knows them: Greece's VAT numbers begin with EL, its ISO code is GR.
EU = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
)
# French for VAT, at rates of their own.
_OVERSEAS = frozenset("GF GP MQ RE YT".split())
_ALWAYS = ("name", "address", "postcode", "city", "country")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of an invoice.

    Attributes:
        address: Lines above postcode and city.
        siren: Nine digits of a French company; so `siret`, fourteen of its establishment.
        electronic_address: Where e-invoices go, as `SCHEME:ADDRESS` (`0225:123456789`,
            `EM:bills@shop.example`); empty takes the SIREN, else the e-mail address.
        language: `en` or `fr`.
    """

    name: str = ""
    address: tuple[str, ...] = ()
    postcode: str = ""
    city: str = ""
    country: str = ""
    siren: str = ""
    siret: str = ""
    vat_number: str = ""
    email: str = ""
    electronic_address: str = ""
    language: str = "en"

    @property
    def endpoint(self) -> tuple[str, str]:
        """Return scheme and address for electronic invoices; both empty when there is none."""
        if self.electronic_address:
            scheme, _, address = self.electronic_address.partition(":")
            return scheme, address
        if self.siren:
            return "0225", self.siren
        return ("EM", self.email) if self.email else ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalEntity(Party):
    """A company of the vendor's that sends invoices, with its terms.

    Attributes:
        entity_id: Chosen by the vendor.
        capital: As printed: `10,000 EUR`.
        register: Company register with its town: `RCS Paris`.
        series_prefix: Begins every number of its invoices, before the year.
        timezone: Where an invoice's date is read off the clock.
        currency: Its books are kept in.
        vat_rate_bps: Standard rate at home.
        payment_days: Days from issue until payment is due.
        late_rate_bps: Interest a year on what is paid late.
        recovery_minor: Fixed charge for what is paid late, in `currency`.
    """

    entity_id: str = ""
    legal_form: str = ""
    capital: str = ""
    register: str = ""
    iban: str = ""
    bic: str = ""
    series_prefix: str = ""
    timezone: str = "Europe/Paris"
    currency: str = "EUR"
    vat_rate_bps: int = 2_000
    payment_days: int = 30
    late_rate_bps: int = 0
    recovery_minor: int = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer(Party):
    """Whom a shop's invoices go to.

    Attributes:
        entity_id: Legal entity that sends them.
        order_reference: The buyer's own number to quote, as large companies demand.
    """

    entity_id: str = ""
    order_reference: str = ""


VENDOR = LegalEntity(
    entity_id="demo",
    name="Recommender SAS (demo vendor)",
    address=("1 rue de l'Exemple",),
    postcode="75001",
    city="Paris",
    country="FR",
    siren="000000000",
    siret="00000000000000",
    vat_number="FR12000000000",
    email="billing@vendor.example",
    language="fr",
    legal_form="SAS",
    capital="10,000 EUR",
    register="RCS Paris",
    iban="FR7630006000011234567890189",
    bic="AGRIFRPP",
    # The legal rate for debts between traders, second half of 2025, was 2.76 %.
    late_rate_bps=828,
)
"""The demo's placeholder: a company that does not exist."""


@dataclass(frozen=True, slots=True)
class Vat:
    """How a document is taxed.

    Attributes:
        category: Code of UNCL 5305: `S` standard rate, `AE` reverse charge, `O` outside the
            scope.
        reason_code: Of the VATEX list, empty at the standard rate.
    """

    rate_bps: int
    category: str
    reason_code: str = ""


REVERSE_CHARGE = Vat(0, "AE", "VATEX-EU-AE")
OUTSIDE = Vat(0, "O", "VATEX-EU-O")


def vat_for(buyer_country: str, seller: LegalEntity, case: str = "by_country") -> Vat:
    """Return the VAT on a service to a business in a country.

    Args:
        case: What the contract says; `by_country`, or the case that both sides agreed on.

    Source: directive 2006/112/EC, articles 44 and 196; France: CGI 259-1 and 283-2. Monaco is
    France for VAT.

    Raises:
        InvalidInputError: `vat-territory`, the country has French rates of its own, which this
            service does not know.
    """
    agreed = {"reverse_charge": REVERSE_CHARGE, "outside_eu": OUTSIDE}
    if case in agreed:
        return agreed[case]
    country = "FR" if buyer_country == "MC" else buyer_country
    if case == "domestic" or country == seller.country:
        return Vat(seller.vat_rate_bps, "S")
    if country in _OVERSEAS and seller.country == "FR":
        raise InvalidInputError(
            f"{country} has VAT rates of its own, which are not known here", code="vat-territory"
        )
    return REVERSE_CHARGE if country in EU else OUTSIDE


def missing_details(seller: LegalEntity, buyer: Buyer) -> list[str]:
    """Name what an invoice between these two still lacks, as `buyer: vat_number`."""
    wanted = {"seller": [*_ALWAYS, "vat_number", "iban"], "buyer": [*_ALWAYS]}
    if seller.country == "FR":
        wanted["seller"] += ["siren", "legal_form", "capital", "register"]
    if "" in seller.endpoint:
        wanted["seller"].append("email")
    if "" in buyer.endpoint:
        wanted["buyer"].append("email")
    if buyer.country == "FR":
        wanted["buyer"].append("siren")
    if buyer.country in EU:
        wanted["buyer"].append("vat_number")
    if not seller.late_rate_bps:
        wanted["seller"].append("late_rate_bps")
    parties = {"seller": seller, "buyer": buyer}
    return [
        f"{side}: {name}"
        for side, names in wanted.items()
        for name in names
        if not getattr(parties[side], name)
    ]
