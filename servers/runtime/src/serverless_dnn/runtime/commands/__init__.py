"""Code shared by all commands (options, memory, readiness), and the runtime's own, such as ``sdnn-model-server``."""
