"""The system of `end_to_end` that is PyTorch with sparse gradients of the embedding, for SparseAdam."""

from functools import partial

import end_to_end_case
from end_to_end_torch import quickest, run

if __name__ == "__main__":
    end_to_end_case.main(run, partial(quickest, sparse=True))
