"""Speech-to-text, language model and speech synthesis that follow a script, with realistic delays."""
