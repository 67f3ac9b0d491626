"""Pictures of provider profiles: their delays, and how they were fitted."""
