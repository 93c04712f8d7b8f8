"""Stateful stand-ins for the dependencies, held to the real ones by tests/behaviour."""
