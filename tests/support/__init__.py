"""What several test folders use: a customer of the shop, and waiting for a condition."""
