"""Common implementations of POST /order for comparison: validate, insert, produce, respond."""
