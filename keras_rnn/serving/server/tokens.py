"""Bearer tokens, which give access to the server."""

import hmac
from pathlib import Path

from keras_rnn.errors import UsageError


def read_tokens(file: str | Path | None) -> tuple[bytes, ...]:
    """Returns the tokens in `file`, one a line, or none if `file` is None. Raises UsageError if it has no token."""
    if file is None:
        return ()
    tokens = tuple(line.strip() for line in Path(file).read_bytes().splitlines() if line.strip())
    if not tokens:
        raise UsageError(f"token_file {file} holds no token")
    return tokens


def is_allowed(authorization: bytes, tokens: tuple[bytes, ...]) -> bool:
    """Whether the header `Bearer TOKEN` holds one of `tokens`. The time it takes does not depend on the tokens."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        return False
    equal = [hmac.compare_digest(credentials.strip(), token) for token in tokens]  # all of them
    return any(equal)
