"""How sure a statement is: what was checked, in words and with a verdict. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from recommender.billing import wording
from recommender.billing.evidence import Evidence
from recommender.billing.pricing import MIN_BUYERS
from recommender.records import Arm
from recommender.shops.exclusions import RulesVersion
from recommender.uplift import revenue
from recommender.uplift.facts import Removal
from recommender.uplift.freezing import FreezeReason
from recommender.uplift.integrity import SRM_LIMIT
from recommender.uplift.removed import Removed
from recommender.uplift.views import ViewKind
from recommender.web.console_terms import money

EXCLUDED: dict[str, str] = {
    revenue.NO_VISITOR: "no visitor known: neither the order nor a browser named one",
    revenue.NOT_EXPOSED: "the visitor never reached a recommendation",
    revenue.BEFORE_EXPOSURE: "placed before the visitor’s first recommendation",
    revenue.UNKNOWN_ORDER: "of orders that were never told to us, or are from before the contract",
    revenue.FROZEN: "on a day that is left out, or of a visitor first met on one",
    Removal.TEST: "the shop said that they try out the checkout",
    Removal.PROGRAM: "placed by a program",
    Removal.STAFF: "placed by the shop’s own people",
    Removal.NO_SALE: "with a mark that the shop says is no sale",
}
_REMOVED: dict[str, str] = {
    Removal.TEST: "Tests",
    Removal.PROGRAM: "Programs",
    Removal.STAFF: "Your own people",
    Removal.NO_SALE: "Orders that are no sales",
}

FROZEN: dict[str, str] = {
    FreezeReason.SPLIT_OF_DAY: "the day’s split of visitors was off",
    FreezeReason.SPLIT_SO_FAR: "the split of visitors so far was off",
    FreezeReason.AA_FAILED: "visitors whom nothing was shown differed between the groups",
    FreezeReason.NO_ORDERS: "no order arrived although visitors came",
    FreezeReason.UNLINKED: "too many orders without a visitor",
    FreezeReason.CONTAMINATED: "too many people met both groups",
}
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        verdict: `good`, `bad`, `few` while there is too little to judge, or `told` for what is only
            counted.
    """

    name: str
    text: str
    verdict: str


def checks(body: Mapping[str, Any], evidence: Evidence) -> list[Check]:
    """Return what a statement was checked for, most important first."""
    return [
        _visitors(evidence),
        _buyers(evidence),
        *_split(body, evidence),
        _frozen(body, evidence),
        *_standing_test(body),
        *_people(body),
        *_removed(body, evidence),
        *_excluded(body),
    ]


def _visitors(evidence: Evidence) -> Check:
    on, off = (
        sum(row.visitors for row in evidence.sums if row.arm is arm)
        for arm in (Arm.TREATMENT, Arm.CONTROL)
    )
    return Check("Visitors", f"{on:,} with and {off:,} without recommendations", "told")


def _buyers(evidence: Evidence) -> Check:
    on, off = (
        sum(row.converted for row in evidence.sums if row.arm is arm)
        for arm in (Arm.TREATMENT, Arm.CONTROL)
    )
    enough = min(on, off) >= MIN_BUYERS
    text = f"{on:,} bought with and {off:,} without recommendations"
    if not enough:
        text += f"; each group needs {MIN_BUYERS} before anything is due"
    return Check("Buyers", text, "good" if enough else "few")


def _split(body: Mapping[str, Any], evidence: Evidence) -> Iterator[Check]:
    shares = {stratum.stratum: stratum.treatment_share_ppm for stratum in evidence.strata}
    for check in body["split"]:
        number = check["stratum"]
        visitors = check["treatment"] + check["control"]
        came = check["treatment"] / max(1, visitors)
        meant = wording.percent(shares[number] / 1_000_000)
        p = check["p_ppm"] / 1_000_000
        name = "Traffic balance" if len(body["split"]) == 1 else f"Traffic balance, phase {number}"
        chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        text = (
            f"{wording.percent(came, 2)} of {visitors:,} visitors came into the group with "
            f"recommendations, {meant} were meant to ({chance})"
        )
        yield Check(name, text, "bad" if check["mismatch"] else "good")


def _frozen(body: Mapping[str, Any], evidence: Evidence) -> Check:
    """Tell of days that count in neither group; the first release knew no such days."""
    days = evidence.frozen
    if not days:
        text = "none: no rule for leaving days out applied"
        return Check("Days left out", text, "good" if "frozen_days" in body else "told")
    named = ", ".join(wording.day(frozen.day) for frozen in days[:_MOST_NAMED])
    more = f" and {len(days) - _MOST_NAMED} more" if len(days) > _MOST_NAMED else ""
    reasons = ", ".join(sorted({FROZEN.get(frozen.reason, frozen.reason) for frozen in days}))
    return Check("Days left out", f"{named}{more}, of both groups: {reasons}", "bad")


def _standing_test(body: Mapping[str, Any]) -> Iterator[Check]:
    """Tell of visitors whom nothing was shown: without 0 in it the method is at fault."""
    for view in body.get("shown", {}).get("views", []):
        found = view["estimate"]
        if view["kind"] != ViewKind.UNTRIGGERED or found is None:
            continue
        low, high = found["incremental_sequence_minor"]
        bounds = " and ".join(money(bound, body["currency"]) for bound in (low, high))
        text = (
            f"{found['visitors']:,} visitors before any recommendation: a difference between "
            f"{bounds}, which should include 0"
        )
        yield Check("Test without recommendations", text, "good" if low <= 0 <= high else "bad")


def _people(body: Mapping[str, Any]) -> Iterator[Check]:
    shown = body.get("shown", {})
    if "in_both_arms_ppm" in shown:
        share = wording.percent(shown["in_both_arms_ppm"] / 1_000_000, 2)
        text = f"{share} of people; they count in the group met first"
        yield Check("Met both groups", text, "told")
    if shown.get("on_several_browsers"):
        text = f"{shown['on_several_browsers']:,} people, each counted once"
        yield Check("Seen on several browsers", text, "told")


def _removed(body: Mapping[str, Any], evidence: Evidence) -> Iterator[Check]:
    """Tell what was taken out of both groups, by which version of the shop's rules."""
    if not evidence.rules:
        return
    by_p = {entry["reason"]: entry["p_ppm"] / 1_000_000 for entry in body["removed_split"]}
    for reason, name in _REMOVED.items():
        own = [one for one in evidence.removed if one.reason == reason]
        if not own:
            continue
        on, off, nowhere = (_taken(own, arm) for arm in (Arm.TREATMENT, Arm.CONTROL, ""))
        text = f"with recommendations {on or 'nothing'}, without {off or 'nothing'}"
        text += f", of no known group {nowhere}" if nowhere else ""
        is_torn = by_p.get(reason, 1) < SRM_LIMIT
        text += "; more from one group than chance explains (p < 0.001)" if is_torn else ""
        yield Check(f"{name}, taken out", text, "bad" if is_torn else "told")
    versions = ", ".join(_version(told) for told in evidence.rules)
    yield Check("Rules for taking out", versions, "told")


def _taken(removed: Iterable[Removed], arm: str) -> str:
    own = [one for one in removed if one.arm == arm]
    counts = {
        "visitor": sum(one.visitors for one in own),
        "order": sum(one.orders for one in own),
    }
    words = [
        f"{count:,} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count
    ]
    return " and ".join(words)


def _version(told: RulesVersion) -> str:
    since = f" from {wording.day(told.governs_from)} on" if told.governs_from else ""
    return f"version {told.version}{since}"


def _excluded(body: Mapping[str, Any]) -> Iterator[Check]:
    for entry in body["excluded_orders"]:
        value = wording.amount(entry["revenue_minor"], body["currency"])
        noun = "refund" if entry["reason"] == revenue.UNKNOWN_ORDER else "order"
        counted = f"{entry['orders']:,} {noun}{'' if entry['orders'] == 1 else 's'}, {value}"
        reason = EXCLUDED.get(entry["reason"], entry["reason"])
        yield Check("Not counted", f"{counted}: {reason}", "told")
