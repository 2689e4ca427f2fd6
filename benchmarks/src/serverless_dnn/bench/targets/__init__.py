"""The three local platforms on which models are served."""
