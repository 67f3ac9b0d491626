"""Pictures of provider profiles: their delays, how they were fitted, and what is searched under them."""
