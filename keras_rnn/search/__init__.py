"""Sweeps: many training runs over a space of hyperparameters. `keras_rnn.tune` starts one.

The package can be called as `keras_rnn.tune`, with a DeprecationWarning: that was the name of the function before.
"""

import sys
import warnings
from importlib import import_module
from types import ModuleType


class _CallablePackage(ModuleType):
    def __call__(self, *arguments, **options):
        from keras_rnn.search.tune import tune

        warnings.warn("keras_rnn.search(...) is now keras_rnn.tune(...)", DeprecationWarning, stacklevel=2)
        return tune(*arguments, **options)

    def __reduce__(self):  # cloudpickle pickles by name only what is of ModuleType itself
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallablePackage
