"""Stage: learn.

In comes the event log; out goes a published artifact (named arrays and a manifest) with its
offline evaluation. Knows nothing of requests, arms or money.
"""
