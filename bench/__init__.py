"""Measures how fast the system is, compared with the same API in other frameworks: `make bench`, `make bench-quick`."""
