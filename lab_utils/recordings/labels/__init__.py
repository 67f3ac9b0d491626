"""Labels of recordings: the label file and its edits, and estimates from two channels, words or speakers."""
