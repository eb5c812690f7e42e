"""Text classification: one text in, one label of a fixed set out."""
