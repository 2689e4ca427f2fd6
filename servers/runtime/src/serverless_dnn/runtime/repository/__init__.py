"""The models a server holds: which, from where, in which versions, loaded and kept up to date."""
