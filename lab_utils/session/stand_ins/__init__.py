"""Scripted parts in place of provider plugins that are not installed."""
