"""Stateful fakes of the dependencies; tests/behaviour runs the tests of the stores on them and on real servers."""
