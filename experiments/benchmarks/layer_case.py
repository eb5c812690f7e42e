"""One recurrent layer to be timed: its shape, and the same weights, inputs and loss for every peer."""

from dataclasses import dataclass

import numpy as np

GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}


@dataclass(frozen=True)
class Case:
    """cell: a name of `GATES`. The loss is the sum of all outputs times fixed numbers, `slopes`."""

    cell: str
    bidirectional: bool
    batch: int
    time: int
    features: int
    units: int
    seed: int

    def weights(self) -> list[np.ndarray]:
        """In Keras' layout and order: kernel, recurrent kernel and bias of each direction."""
        rng = np.random.default_rng(self.seed)
        width = GATES[self.cell] * self.units
        bias = (2, width) if self.cell == "GRU" else (width,)
        bound = self.units**-0.5
        return [
            rng.uniform(-bound, bound, shape).astype(np.float32)
            for _ in range(1 + self.bidirectional)
            for shape in ((self.features, width), (self.units, width), bias)
        ]

    def inputs(self) -> np.ndarray:
        """float32 `(batch, time, features)`"""
        return self._normal(1, self.features)

    def slopes(self) -> np.ndarray:
        """float32 `(batch, time, outputs)`"""
        return self._normal(2, self.units * (1 + self.bidirectional))

    def _normal(self, which: int, features: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, which])
        return rng.standard_normal((self.batch, self.time, features), np.float32)
