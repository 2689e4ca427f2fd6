"""What commands share, and the runtime's own: options, memory, readiness, ``sdnn-model-server``."""
