"""Cloud Run on this machine."""
