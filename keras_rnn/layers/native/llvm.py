"""Whether llvmlite, which compiles machine code, can be used on this machine."""

import logging
from functools import cache

log = logging.getLogger("keras_rnn")


@cache
def llvm_problem() -> str | None:
    """Why llvmlite cannot be used, in one line; None if it can. The first call tells the user of a problem."""
    try:
        from llvmlite import binding

        binding.get_host_cpu_features()  # loads the shared library
    except ModuleNotFoundError as error:
        if error.name != "llvmlite":
            return _tell_broken(error)
        log.warning("llvmlite is not installed: layers train without machine code, slower (pip install llvmlite)")
        return "llvmlite is not installed"
    except Exception as error:
        return _tell_broken(error)
    return None


def _tell_broken(error: Exception) -> str:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    log.warning(
        "llvmlite is installed, but cannot be used: layers train without machine code, slower "
        "(pip install --force-reinstall llvmlite may help): %s",
        reason,
    )
    return f"llvmlite cannot be used: {reason}"
