"""Circuit breakers, start-up and crash points."""
