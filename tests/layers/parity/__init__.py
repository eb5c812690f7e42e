"""Keras' recurrent layers and ours on one case: both get the same weights and inputs, and the numbers are compared.

A `cases.Case` is data: its repr is all that is needed to run it again. `__main__` says how to run cases by hand.
"""
