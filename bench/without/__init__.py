"""What a service without a part of itself loads first."""
