"""How fast the system is, beside how others would write it: `make bench`, `make bench-quick`."""
