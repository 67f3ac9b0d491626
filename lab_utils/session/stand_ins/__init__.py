"""Provider plugins that are not installed, answered by scripted parts."""
