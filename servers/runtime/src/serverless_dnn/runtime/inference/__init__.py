"""Running calls on a loaded model: validation, admission, batching, Classify and Regress."""
