"""Every operation times every failure, and the outcome that must come of it."""
