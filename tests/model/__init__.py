"""The explicit-state model of the order path; see README.md."""
