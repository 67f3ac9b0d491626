"""Commands that open the workbench in a browser, and say what it needs of a machine."""
