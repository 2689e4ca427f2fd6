"""How requests travel: gRPC channels and HTTP connections, with time-outs that hold."""
