"""The demo shop: real orders, simulated shoppers, and a storefront that is a mere customer.

In comes a home folder; out go a loaded shop and a small web shop on an origin of its own, which
reaches the service only as any shop would. Nothing of the product depends on this package.
"""
