"""Load: when requests are sent, and what becomes of each."""
