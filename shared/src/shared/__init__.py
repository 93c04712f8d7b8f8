"""What the services have in common: wires only, no business rule."""
