"""What a command or a notebook does from end to end."""
