"""Commands whose exit code CI acts on."""
