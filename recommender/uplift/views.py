"""Other ways to cut the same experiment than the one that is billed. Pure.

Each view is totals by stratum and arm, from which `estimate.estimate_strata` makes an estimate:
revenue of the last quarter, of each month, of visitors first met in one placement, of everybody
whether they met a recommendation or not, and of visitors before they met one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from recommender.uplift.estimate import ArmTotal, StratumTotal

TRAILING_DAYS = 91
"""Thirteen weeks, so that every weekday is in it equally often."""


class ViewKind(StrEnum):
    """What a view is restricted to."""

    TRAILING = "trailing"
    """Revenue of the last `TRAILING_DAYS` days, of everybody exposed until its end."""
    MONTH = "month"
    """Revenue of one month, likewise; the row of months shows novelty and season."""
    PLACEMENT = "placement"
    """All revenue of the visitors whose first exposure was in one placement."""
    INTENTION_TO_TREAT = "intention-to-treat"
    """All revenue of every visitor whose arm is known, exposed or not."""
    UNTRIGGERED = "untriggered"
    """Revenue of these visitors before a first exposure, if there ever is one: a standing A/A."""


@dataclass(frozen=True, slots=True)
class View:
    """Totals of one view.

    Attributes:
        name: Month (`2027-03`) or placement; empty where there is but one view of the kind.
    """

    kind: ViewKind
    name: str
    strata: tuple[StratumTotal, ...]


def views_as_json(views: Iterable[View]) -> list[dict[str, Any]]:
    """Return views as JSON values; numbers may outgrow 64 bits."""
    return [asdict(view) for view in views]


def views_from_json(told: Iterable[Mapping[str, Any]]) -> tuple[View, ...]:
    """Return the views that `views_as_json` wrote."""
    return tuple(
        View(
            ViewKind(view["kind"]),
            view["name"],
            tuple(
                StratumTotal(
                    stratum["stratum"],
                    ArmTotal(**stratum["treatment"]),
                    ArmTotal(**stratum["control"]),
                )
                for stratum in view["strata"]
            ),
        )
        for view in told
    )
