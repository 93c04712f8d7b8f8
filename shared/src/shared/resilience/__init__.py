"""Circuit breakers, back-off, background threads, outages, start-up tasks and crash points."""
