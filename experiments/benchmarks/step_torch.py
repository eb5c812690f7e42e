"""The peer of `step` that trains the classifier in PyTorch: padded or packed, with either of its Adams for CPUs.

Padded, the layers read the padding, too, and the direction from the end reads it first: not quite the same model,
but what many have, and quick.
"""

import itertools

import torch
from peer import serve
from step_case import CLASSES, CLIP_NORM, EMBEDDING, LEARNING_RATE, StepCase
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from turns import seconds_per_call

steps = {}


class Classifier(nn.Module):
    def __init__(self, case: StepCase, packed: bool):
        super().__init__()
        self.packed, self.units = packed, case.hidden_size
        self.embedding = nn.Embedding(case.vocabulary_size, EMBEDDING, padding_idx=0)
        self.lstm = nn.LSTM(EMBEDDING, case.hidden_size, case.num_layers, batch_first=True, bidirectional=True)
        self.logits = nn.Linear(2 * case.hidden_size, CLASSES)

    def forward(self, token_ids):
        lengths = (token_ids != 0).sum(1)
        x = self.embedding(token_ids)
        if self.packed:
            _, (h, _) = self.lstm(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
            return self.logits(torch.cat([h[-2], h[-1]], 1))
        outputs, _ = self.lstm(x)
        last = outputs[torch.arange(len(x)), lengths - 1, : self.units]
        return self.logits(torch.cat([last, outputs[:, 0, self.units :]], 1))


def build(name: str, case: dict, packed: bool, fused: bool) -> dict:
    case = StepCase(**case)
    torch.manual_seed(case.seed)
    model = Classifier(case, packed)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, fused=fused)
    batches = itertools.cycle(
        [(torch.from_numpy(token_ids), torch.from_numpy(labels).long()) for token_ids, labels in case.batches()]
    )

    def step():
        token_ids, labels = next(batches)
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(token_ids), labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
        optimizer.step()

    steps[name] = step
    return {}


def turn(name: str, seconds: float, calls: int) -> dict:
    return {"seconds": seconds_per_call(steps[name], seconds, calls)}


serve({"build": build, "turn": turn})
