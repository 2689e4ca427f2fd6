"""The paper's experiments, rerun on this machine."""
