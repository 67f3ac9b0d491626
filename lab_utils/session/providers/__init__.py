"""What providers' stages cost in time and money: profiles in YAML, read, checked and written."""
