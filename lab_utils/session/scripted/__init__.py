"""Speech-to-text, language model and speech synthesis that follow a script, at the pace of real ones."""
