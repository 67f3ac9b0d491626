"""What a user's code can do to its process: kept within limits, and put right."""
