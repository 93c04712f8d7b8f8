"""The explicit-state model of the order path; README.md tells what it is and how to read it."""
