"""What was taken out of the comparison, as statements tell it. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Removed:
    """What one rule took out of one arm.

    Attributes:
        reason: A `Removal`.
        stratum: 0 where the arm is not known.
        arm: An `Arm`; empty for who was in none, such as an order without a visitor.
        revenue_minor: Of the orders, as told.
    """

    reason: str
    stratum: int
    arm: str
    visitors: int = 0
    orders: int = 0
    revenue_minor: int = 0
