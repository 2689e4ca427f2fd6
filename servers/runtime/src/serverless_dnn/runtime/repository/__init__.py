"""A server's models: which to serve, from where and in which versions, and how they are loaded and updated."""
