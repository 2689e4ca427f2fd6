"""A user's ``inference.py``: the processes that run it, and the servers it may call."""
