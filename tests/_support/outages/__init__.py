"""A provider that fails over time, and thousands of callers."""
