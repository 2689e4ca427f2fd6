"""What the samples say; pure."""
