"""Requests and responses that are cut off at each byte."""
