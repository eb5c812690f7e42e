"""The system of `end_to_end` that is good PyTorch: token ids made once, batches of like length, the quickest step.

Before the clock starts, a few steps say which is quicker here: padded or packed sequences. The embedding's gradient is
dense, for the fused Adam; `end_to_end_torch_sparse.py` has it sparse, for SparseAdam.
"""

import re
import statistics
import time
from collections import Counter

import end_to_end_case
import numpy as np
import torch
from end_to_end_case import EMBEDDING_SIZE, MAX_TOKENS, UNITS, VOCABULARY_SIZE, Task

WORDS = re.compile(r"\w+")
PROBE_STEPS = 6


class Classifier(torch.nn.Module):
    def __init__(self, task: Task, packed: bool, sparse: bool):
        super().__init__()
        self.packed = packed
        self.embedding = torch.nn.Embedding(VOCABULARY_SIZE, EMBEDDING_SIZE, padding_idx=0, sparse=sparse)
        torch.nn.init.uniform_(self.embedding.weight, -0.05, 0.05)  # as Keras; by default it learns far more slowly
        self.lstm = torch.nn.LSTM(EMBEDDING_SIZE, UNITS, task.num_layers, bidirectional=True, batch_first=True)
        self.logits = torch.nn.Linear(2 * UNITS, task.classes)

    def forward(self, token_ids: torch.Tensor) -> torch.Tensor:
        lengths = (token_ids != 0).sum(1)
        x = self.embedding(token_ids)
        if self.packed:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            last = self.lstm(packed)[1][0]
            return self.logits(torch.cat([last[-2], last[-1]], 1))
        x = self.lstm(x)[0]
        forward = x[torch.arange(len(x)), lengths - 1, :UNITS]
        return self.logits(torch.cat([forward, x[:, 0, UNITS:]], 1))


class Trainer:
    def __init__(self, task: Task, steps: int, packed: bool, sparse: bool):
        torch.manual_seed(task.seed)
        self.model = Classifier(task, packed, sparse)
        embedding = list(self.model.embedding.parameters())
        dense_parameters = [*self.model.lstm.parameters(), *self.model.logits.parameters()]
        adam = torch.optim.Adam(
            dense_parameters if sparse else embedding + dense_parameters, task.learning_rate, fused=True
        )
        self.optimizers = [adam, torch.optim.SparseAdam(embedding, task.learning_rate)] if sparse else [adam]
        self.schedules = [
            torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: end_to_end_case.cosine(step, steps))
            for optimizer in self.optimizers
        ]

    def step(self, token_ids: np.ndarray, labels: np.ndarray) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        logits = self.model(torch.from_numpy(token_ids).long())
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels).long()).backward()
        for each in (*self.optimizers, *self.schedules):
            each.step()


def quickest(task: Task, sparse: bool = False) -> dict[str, bool]:
    """The further arguments of the Trainer whose steps are quickest, on batches like the task's."""
    texts, labels = end_to_end_case.train_rows(task)
    lengths = np.clip([len(text.split()) for text in texts], 1, MAX_TOKENS)
    rng = np.random.default_rng(0)
    probe_batches = list(end_to_end_case.bucketed(lengths, task.batch_size, rng))[:PROBE_STEPS]
    ids = [rng.integers(1, VOCABULARY_SIZE, length).astype(np.int32) for length in lengths]
    seconds = {}
    for packed in (False, True):
        trainer = Trainer(task, PROBE_STEPS, packed, sparse)
        times = []
        for rows in probe_batches:
            start_time = time.perf_counter()
            trainer.step(end_to_end_case.padded(ids, rows), labels[rows])
            times.append(time.perf_counter() - start_time)
        seconds[packed] = statistics.median(times)
    return {"packed": min(seconds, key=seconds.get), "sparse": sparse}


def run(task: Task, packed: bool, sparse: bool):
    texts, labels = end_to_end_case.train_rows(task)
    words = [words_of(text) for text in texts]
    counts = Counter(word for row in words for word in row)
    word_ids = {word: index for index, (word, _) in enumerate(counts.most_common(VOCABULARY_SIZE - 2), 2)}
    token_ids = [ids_of(row, word_ids) for row in words]
    lengths = [len(ids) for ids in token_ids]
    rng = np.random.default_rng(task.seed)
    epochs = [list(end_to_end_case.bucketed(lengths, task.batch_size, rng)) for _ in range(task.epochs)]
    trainer = Trainer(task, sum(map(len, epochs)), packed, sparse)
    for batches in epochs:
        for rows in batches:
            trainer.step(end_to_end_case.padded(token_ids, rows), labels[rows])
    end_time = time.time()

    def predict(texts: list[str]) -> np.ndarray:
        ids = [ids_of(words_of(text), word_ids) for text in texts]
        order = np.argsort([len(row) for row in ids], kind="stable")
        predicted_labels = np.zeros(len(ids), int)
        with torch.inference_mode():
            for rows in np.array_split(order, -(-len(order) // 256)):
                logits = trainer.model(torch.from_numpy(end_to_end_case.padded(ids, rows)).long())
                predicted_labels[rows] = logits.numpy().argmax(-1)
        return predicted_labels

    return end_time, len(texts), predict


def words_of(text: str) -> list[str]:
    return WORDS.findall(text.lower())[:MAX_TOKENS]


def ids_of(words: list[str], word_ids: dict[str, int]) -> np.ndarray:
    return np.array([word_ids.get(word, 1) for word in words] or [1], np.int32)


if __name__ == "__main__":
    end_to_end_case.main(run, quickest)
