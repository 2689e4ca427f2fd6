"""Builds the corpus and asks the runtime, in processes of their own."""
