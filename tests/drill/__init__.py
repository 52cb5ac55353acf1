"""The fault drill: the real service under load, broken on purpose, its books compared after.

`scripts/fault-drill` runs it; `test_short_drill.py` runs a selection.
"""
