"""Who speaks when in a recording of one channel: a model of voices, and two groups of what it hears."""
