"""Stage: prove.

In come the event log and the shop's orders; out go per-arm daily sums, the estimate with intervals
that hold at every look, integrity checks and how shoppers behaved. Knows nothing of prices.
"""
