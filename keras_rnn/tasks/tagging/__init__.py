"""Sequence tagging: one tag of a fixed set for each token of a sentence, and the spans that IOB2 tags make."""
