"""The callers of an offline session: reactive, with a button, late at the join."""
