"""An explicit-state model of the path of an order; see README.md."""
