"""Recommendations for web shops, paid by the revenue they are proven to cause."""

__version__ = "0.1.0"
