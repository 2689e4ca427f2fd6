"""The models: found on disk, and run in this process or in model servers beside it."""
