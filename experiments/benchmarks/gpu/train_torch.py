"""The same two bidirectional layers by torch.nn.LSTM, which takes cuDNN; padded texts are packed."""

import os
import sys
import time

import numpy as np
import torch
from batches import CLASSES, EMBEDDING, rows
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from peer import serve

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
made = {}


def build(hidden_size: int, **sizes) -> dict:
    """Makes the model and trains an epoch."""
    embedding = nn.Embedding(sizes["vocabulary_size"], EMBEDDING, padding_idx=0)
    lstm = nn.LSTM(EMBEDDING, hidden_size, 2, batch_first=True, bidirectional=True)
    modules = nn.ModuleList([embedding, lstm, nn.Linear(2 * hidden_size, CLASSES)]).to(DEVICE)
    made.update(modules=modules, optimizer=torch.optim.Adam(modules.parameters(), fused=True), **sizes)
    made["rows"] = rows(**sizes)
    epoch()
    return {"device": torch.cuda.get_device_name() if DEVICE == "cuda" else DEVICE}


def epoch() -> dict:
    embedding, lstm, logits = made["modules"]
    optimizer, batch = made["optimizer"], made["batch"]
    token_ids, labels = made["rows"]
    start_time = time.perf_counter()
    for first in range(0, len(token_ids), batch):
        ids = torch.from_numpy(token_ids[first : first + batch])
        lengths = (ids != 0).sum(1)  # on the CPU, where they are wanted
        x = embedding(ids.to(DEVICE))
        if made["padded"]:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = lstm(x)
        targets = torch.from_numpy(labels[first : first + batch]).long().to(DEVICE)
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(logits(torch.cat([h[-2], h[-1]], 1)), targets).backward()
        optimizer.step()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return {"tokens_per_second": np.count_nonzero(token_ids) / (time.perf_counter() - start_time)}


serve({"build": build, "epoch": epoch})
