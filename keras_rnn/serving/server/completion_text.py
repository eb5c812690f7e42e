"""One choice of an answer of `/v1/completions`, from its tokens: text, finish reason and log-probabilities."""

from typing import Any, NamedTuple

from keras_rnn.serving.server.completion_request import CompletionRequest
from keras_rnn.serving.server.decoding_batch import Token
from keras_rnn.text.text_stream import TextStream


class _TokenText(NamedTuple):
    text: str
    log_probability: float
    offset: int


class ChoiceText:
    """The text of a choice as it grows.

    token_count: the tokens so far, the one that ends a text included.
    """

    def __init__(self, index: int, request: CompletionRequest, drops_spaces: bool):
        prompt = request.prompts[index // request.n]
        starts_line = not prompt or prompt[-1].isspace()
        self.index, self.token_count, self.is_finished = index, 0, False
        self._request = request
        self._prompt = prompt if request.echo else ""
        self._stream = TextStream(request.stops, starts_line=starts_line, drops_spaces=drops_spaces)
        self._sent = 0
        self._unsent_tokens: list[_TokenText] = []

    def add(self, token: Token) -> dict[str, Any] | None:
        """Takes the next token. Returns the choice with the text that is certain now, or None if there is none.

        Parts of characters, and what may be the beginning of a stop string, are held back.
        """
        self.token_count += 1
        if token.piece and self._request.with_logprobs:
            number = float(str(token.log_probability))  # the shortest digits of the same float32
            self._unsent_tokens.append(_TokenText(_shown(token.piece), number, self._stream.length))
        text = self._stream.add(token.piece)
        if token.is_last and not self._stream.is_stopped:
            text += self._stream.end()
        finish_reason = None
        if self._stream.is_stopped or not token.piece:
            finish_reason = "stop"
        elif token.is_last:
            finish_reason = "length"
        self.is_finished = finish_reason is not None
        if not text and not self.is_finished:
            return None
        self._sent += len(text)
        prompt, self._prompt = self._prompt, ""
        logprobs = self._logprobs() if self._request.with_logprobs else None
        return {"text": prompt + text, "index": self.index, "logprobs": logprobs, "finish_reason": finish_reason}

    def _logprobs(self) -> dict[str, list]:
        """The log-probabilities of the tokens that begin in the text that is sent."""
        count = sum(token.offset < self._sent for token in self._unsent_tokens)
        sent, self._unsent_tokens = self._unsent_tokens[:count], self._unsent_tokens[count:]
        top = [{token.text: token.log_probability} for token in sent] if self._request.with_top else None
        return {
            "tokens": [token.text for token in sent],
            "token_logprobs": [token.log_probability for token in sent],
            "top_logprobs": top,
            "text_offset": [token.offset for token in sent],
        }


def join_choice(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Joins the parts of a choice to the whole choice."""
    logprobs = parts[0]["logprobs"]
    if logprobs is not None:
        logprobs = {
            name: None if values is None else [value for part in parts for value in part["logprobs"][name]]
            for name, values in logprobs.items()
        }
    return {**parts[-1], "text": "".join(part["text"] for part in parts), "logprobs": logprobs}


def _shown(piece: bytes) -> str:
    r"""A piece as text, or as `bytes:\xe2\x98` if it ends or begins within a character."""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in piece)
