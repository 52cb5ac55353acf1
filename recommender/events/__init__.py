"""Stage: listen.

In comes browser JSON, signed orders and history; out go accepted events in the event log, and
rejections with reasons. Knows nothing of what is learned or billed from them.
"""
