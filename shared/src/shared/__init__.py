"""Code that the services share; only `shared.ordering` knows what an order is."""
