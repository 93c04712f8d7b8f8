"""The only code that knows an order's document."""
