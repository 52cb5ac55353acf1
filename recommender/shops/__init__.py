"""Stage: know the tenants.

In comes the vendor's contract; out go shops, keys, placements, strata, contracts and users.
Every later stage takes a `Shop`, never a bare id from a request.
"""
