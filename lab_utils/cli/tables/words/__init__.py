"""What commands about what was said print."""
