"""A run as text, as a picture and as a page."""
