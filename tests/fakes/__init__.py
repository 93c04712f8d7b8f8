"""Stateful fakes of the dependencies; tests/behaviour runs the same tests on them and on the real ones."""
