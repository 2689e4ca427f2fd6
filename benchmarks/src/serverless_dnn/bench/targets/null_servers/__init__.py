"""Servers without a model, which show what a platform alone takes."""
