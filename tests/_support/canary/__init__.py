"""A token that must not leave a client, and where to look for it."""
