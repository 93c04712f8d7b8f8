"""Other implementations of POST /order, for comparison with Retail Orders."""
