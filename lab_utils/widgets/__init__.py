"""Controls for a notebook: widgets → settings → redraw. What is computed and drawn is passed in."""
