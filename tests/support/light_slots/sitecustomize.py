"""Python imports this file at its start if the folder is on its search path. A slot then imports no TensorFlow.

The slot is ready at once, or after as many seconds as the variable SLOT_SECONDS says.
"""

import os
import sys
import time
from types import ModuleType

if "keras_rnn.search.worker" in sys.orig_argv:
    sys.modules["keras_rnn.search.run_trial"] = ModuleType("run_trial")
    time.sleep(float(os.environ.get("SLOT_SECONDS", "0")))
