"""Stateful fakes of the dependencies; tests/behaviour compares them with the real ones."""
