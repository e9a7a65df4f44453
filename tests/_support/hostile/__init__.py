"""Responses and ids that attack a client."""
