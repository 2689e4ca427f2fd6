"""The bodies of invocations: JSON, JSON lines, CSV, npy and protobuf."""
