"""What the server did, for Prometheus."""
