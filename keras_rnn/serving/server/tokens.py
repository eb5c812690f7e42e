"""Bearer tokens: who may ask."""

import hmac
from pathlib import Path

from keras_rnn.errors import UsageError


def read_tokens(file: str | Path | None) -> tuple[bytes, ...]:
    """The tokens in `file`, one a line; none where there is no file. UsageError for a file without any."""
    if file is None:
        return ()
    tokens = tuple(line.strip() for line in Path(file).read_bytes().splitlines() if line.strip())
    if not tokens:
        raise UsageError(f"token_file {file} holds no token")
    return tokens


def allowed(authorization: bytes, tokens: tuple[bytes, ...]) -> bool:
    """Whether the header `Bearer TOKEN` holds one of `tokens`; how long it takes tells nothing of them."""
    scheme, _, given = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        return False
    equal = [hmac.compare_digest(given.strip(), token) for token in tokens]  # all, whichever it is
    return any(equal)
