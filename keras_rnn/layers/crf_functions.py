"""The linear-chain conditional random field as functions on `keras.ops`, which compute in float32.

Lafferty et al. 2001, "Conditional random fields"; Lample et al. 2016, arXiv 1603.01360, section 2.2. A path is one tag
for each real step of a row. The score of a path y of n steps is

    s(y) = starts[y_1] + sum over t of emissions[t, y_t] + sum over t > 1 of transitions[y_(t-1), y_t] + ends[y_n]

and its probability is exp(s(y)) / Z, where Z is the sum of exp(s) over all paths. Masked steps are passed over wherever
they stand: the real steps on both sides of them are neighbours. A row without a real step has one path, the empty one,
of score 0.

The functions share these arguments:

    emissions: float `(batch, time, tags)`; time is at least 1.
    transitions: float `(tags, tags)`, from the row's tag to the column's.
    starts, ends: float `(tags,)`.
    mask: bool or number `(batch, time)`, true at real steps; None where all are real.

A score of `FORBIDDEN` rules out the paths through it, as far as there are others.
"""

from typing import Any, NamedTuple

from keras import ops

FORBIDDEN = -1e4  # finite, so that no gradient is NaN, and below what real scores sum up to
PADDING_TAG = -1  # stands at steps that have no tag


class Chain(NamedTuple):
    """The arguments above in one form.

    Attributes:
        emissions: float32 `(batch, time, tags)`; starts and ends are added to them.
        transitions: float32 `(tags, tags)`.
        is_real, is_first: bool `(batch, time)`; the latter at the first real step.
    """

    emissions: Any
    transitions: Any
    is_real: Any
    is_first: Any


def log_partition(emissions, transitions, starts, ends, mask=None):
    """log Z by the forward algorithm: float32 `(batch,)`. The forward-backward algorithm computes its gradient."""
    return _log_partition(_chain(emissions, transitions, starts, ends, mask))


def log_likelihood(tags, emissions, transitions, starts, ends, mask=None):
    """log p(tags): float32 `(batch,)`, at most 0 except for rounding.

    Args:
        tags: int `(batch, time)`; what stands at masked steps is not read.
    """
    chain = _chain(emissions, transitions, starts, ends, mask)
    return _path_score(tags, chain) - _log_partition(chain)


def marginals(emissions, transitions, starts, ends, mask=None):
    """The probability of each tag at each step: float32 `(batch, time, tags)`, zeros at masked steps."""
    chain = _chain(emissions, transitions, starts, ends, mask)
    return _tag_probabilities(chain, *_prefixes_and_suffixes(chain))


def viterbi_decode(emissions, transitions, starts, ends, mask=None):
    """The path of the highest score: int32 `(batch, time)`, `PADDING_TAG` at masked steps."""
    chain = _chain(emissions, transitions, starts, ends, mask)
    transitions = chain.transitions
    scores = _scan(
        lambda scores: ops.max(scores[:, :, None] + transitions, axis=1),
        *(_swap_axes(tensor) for tensor in (chain.emissions, chain.is_real, chain.is_first)),
    )
    previous_scores = ops.concatenate([scores[:1], scores[:-1]], axis=0)
    has_transition = _swap_axes(_has_transition(chain))
    arrivals = ops.transpose(transitions)

    def step_back(tag, index):
        tag_before = ops.argmax(previous_scores[index] + ops.take(arrivals, tag, axis=0), axis=-1)
        return ops.where(has_transition[index], ops.cast(tag_before, "int32"), tag), tag

    last_tag = ops.cast(ops.argmax(scores[-1], axis=-1), "int32")
    _, path = ops.scan(step_back, last_tag, ops.arange(ops.shape(scores)[0]), reverse=True)
    return ops.where(chain.is_real, _swap_axes(path), PADDING_TAG)


def _chain(emissions, transitions, starts, ends, mask) -> Chain:
    emissions, transitions, starts, ends = (
        ops.cast(scores, "float32") for scores in (emissions, transitions, starts, ends)
    )
    is_real = ops.ones_like(emissions[:, :, 0], dtype="bool") if mask is None else ops.cast(mask, "bool")
    is_first, is_last = _is_first_real(is_real), ops.flip(_is_first_real(ops.flip(is_real, axis=1)), axis=1)
    edges = ops.where(is_first[:, :, None], starts, 0.0) + ops.where(is_last[:, :, None], ends, 0.0)
    return Chain(emissions + edges, transitions, is_real, is_first)


def _is_first_real(is_real):
    """Where the first real step of each row stands."""
    return ops.logical_and(is_real, ops.cumsum(ops.cast(is_real, "int32"), axis=1) == 1)


def _has_transition(chain: Chain):
    return ops.logical_and(chain.is_real, ops.logical_not(chain.is_first))


def _swap_axes(tensor):
    """From batch-major to time-major, or back."""
    return ops.swapaxes(tensor, 0, 1)


def _scan(arrive, emissions, is_real, is_first):
    """The recursion of the forward and of the Viterbi algorithm; its tensors are time-major, and so is its result.

    `arrive` takes the scores of the tags at a step to those at the next one, less its emissions. A masked step has the
    scores of the step before.
    """

    def step(scores, index):
        emission = emissions[index]
        new_scores = ops.where(is_first[index][..., None], emission, emission + arrive(scores))
        scores = ops.where(is_real[index][..., None], new_scores, scores)
        return scores, scores

    # Keras' scan over several tensors of unknown length fails under TensorFlow; over indices it does not.
    _, scores = ops.scan(step, ops.zeros_like(emissions[0]), ops.arange(ops.shape(emissions)[0]))
    return scores


def _prefixes_and_suffixes(chain: Chain):
    """log of the summed exp(score) of all paths up to a tag at a step, and of all paths from it on.

    Returns:
        Two tensors `(batch, time, tags)`; the emission of the step is in both. One loop computes them: its second axis
        holds the rows as they are, and reversed.
    """
    reversed_real = ops.flip(chain.is_real, axis=1)
    pairs = (
        (chain.emissions, ops.flip(chain.emissions, axis=1)),
        (chain.is_real, reversed_real),
        (chain.is_first, _is_first_real(reversed_real)),
    )
    transitions = ops.stack([chain.transitions, ops.transpose(chain.transitions)])

    def arrive(scores):
        scores = scores[:, :, :, None] + transitions[:, None]
        highest = ops.max(scores, axis=2, keepdims=True)
        return ops.log(ops.sum(ops.exp(scores - highest), axis=2)) + highest[:, :, 0]

    scores = _scan(arrive, *(ops.stack([_swap_axes(tensor) for tensor in pair], axis=1) for pair in pairs))
    return _swap_axes(scores[:, 0]), ops.flip(_swap_axes(scores[:, 1]), axis=1)


def _tag_probabilities(chain: Chain, prefixes, suffixes):
    probabilities = ops.softmax(prefixes + suffixes - chain.emissions)
    return ops.where(chain.is_real[:, :, None], probabilities, 0.0)


def _transition_counts(chain: Chain, prefixes, suffixes, weights):
    """How often the paths of all rows take each transition, by their probability and the weight of their row."""
    tags = chain.emissions.shape[-1]
    # log Z of the row at each step, with the rounding of the same sums.
    totals = ops.logsumexp(prefixes + suffixes - chain.emissions, axis=-1, keepdims=True)[:, 1:]
    scores = prefixes[:, :-1, :, None] + (suffixes[:, 1:] - totals)[:, :, None] + chain.transitions
    probabilities = ops.exp(ops.minimum(scores, 0.0))  # the score of a masked step may be any number
    weights = weights[:, None] * ops.cast(_has_transition(chain)[:, 1:], "float32")
    counts = ops.matmul(ops.reshape(weights, (1, -1)), ops.reshape(probabilities, (-1, tags * tags)))
    return ops.reshape(counts, (tags, tags))


def _log_partition(chain: Chain):
    @ops.custom_gradient
    def log_partition_of(emissions, transitions):
        same_chain = chain._replace(emissions=emissions, transitions=transitions)
        prefixes, suffixes = _prefixes_and_suffixes(same_chain)

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream  # each backend passes it in its own way
            tag_probabilities = _tag_probabilities(same_chain, prefixes, suffixes)
            transition_counts = _transition_counts(same_chain, prefixes, suffixes, upstream)
            return upstream[:, None, None] * tag_probabilities, transition_counts

        # The scores after the last real step are those after the last step.
        total = ops.logsumexp(prefixes[:, -1], axis=-1)
        return ops.where(ops.any(chain.is_real, axis=1), total, 0.0), gradient

    return log_partition_of(chain.emissions, chain.transitions)


def _path_score(tags, chain: Chain):
    time, num_tags = ops.shape(tags)[1], chain.emissions.shape[-1]
    one_hot_tags = ops.one_hot(tags, num_tags) * ops.cast(chain.is_real, "float32")[:, :, None]
    # Real steps first, in their order: a tag then stands after the one that it follows.
    order = ops.argsort(ops.arange(time) + ops.where(chain.is_real, 0, time), axis=1)
    path = ops.take_along_axis(one_hot_tags, order[:, :, None], axis=1)
    transitions = ops.sum(ops.matmul(path[:, :-1], chain.transitions) * path[:, 1:], axis=(1, 2))
    return ops.sum(chain.emissions * one_hot_tags, axis=(1, 2)) + transitions
