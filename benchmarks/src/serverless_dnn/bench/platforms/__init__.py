"""Where models are served: the three local platforms."""
