"""Turn-taking, techniques and levers as one configuration: what it answers when, and for what money."""
