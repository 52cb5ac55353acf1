"""Stage: know the goods.

In come products as shops describe them; out go stored items, and an in-memory catalogue that
answers within a request. Knows nothing of what is learned about the items.
"""
