"""How fast the system is, beside the same API in other frameworks: `make bench`, `make bench-quick`."""
