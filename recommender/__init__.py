"""Recommendations for web shops, paid by the revenue they are proven to cause."""

from recommender.config import keep_compiled_kernels

__version__ = "0.1.0"

keep_compiled_kernels()
