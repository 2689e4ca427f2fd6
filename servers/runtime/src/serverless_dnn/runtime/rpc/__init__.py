"""The gRPC server: its services, and the handling common to all calls."""
