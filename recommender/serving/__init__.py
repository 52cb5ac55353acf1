"""Stage: recommend.

In comes a request, the visitor's path and the shop's artifact; out goes a slate with reasons, and
the exposure of both arms. Knows nothing of HTTP, and never fails for a fault on our side.
"""
