"""Commands that make labels: by hand, from words, from voices."""
