"""What the commands print: one file for each command, called with what its workflow gave."""
