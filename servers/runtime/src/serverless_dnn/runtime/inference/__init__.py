"""Run a call of a loaded model: check it, let it wait its turn, batch it, classify and regress."""
