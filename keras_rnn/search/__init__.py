"""Sweeps: many training runs over a space of hyperparameters.

`keras_rnn.search(...)` starts one; its arguments are those of `keras_rnn.search.sweep.search`. Python puts a package's
name into the package above it whenever it is first imported, over a function of that name. So the package itself is
what is called, and `keras_rnn.search` is the same thing in whatever order modules are imported.
"""

import sys
from importlib import import_module
from types import ModuleType


class _CallablePackage(ModuleType):
    def __call__(self, *arguments, **options):
        from keras_rnn.search.sweep import search

        return search(*arguments, **options)

    def __reduce__(self):  # cloudpickle knows plain modules alone
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _CallablePackage
