"""What the services have in common; only `shared.ordering` knows what an order is."""
