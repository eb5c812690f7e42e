"""Imported by Python as it starts, where this folder is on its search path: a slot then imports no TensorFlow.

It is ready at once, or with the variable SLOT_SECONDS after so many seconds.
"""

import os
import sys
import time
from types import ModuleType

if "keras_rnn.search.worker" in sys.orig_argv:
    sys.modules["keras_rnn.search.run_trial"] = ModuleType("run_trial")
    time.sleep(float(os.environ.get("SLOT_SECONDS", "0")))
