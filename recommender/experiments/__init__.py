"""Stage: split.

In comes a visitor id and the experiment's design; out goes an arm. Pure: no store is needed,
anyone can recompute any assignment.
"""
