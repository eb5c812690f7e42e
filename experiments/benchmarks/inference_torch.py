"""The peer of `inference` that runs PyTorch on the same weights, behind a tokeniser in plain Python.

Texts of one length go through the layers as they are. Of several lengths, either they are packed, or each direction
is a layer of its own that reads its texts turned round within their lengths: padding then comes last for both.
"""

import numpy as np
import torch
from inference_case import GATES, InferenceCase
from inference_peer import serve_ways
from inference_words import Words
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

MODULES = {"lstm": nn.LSTM, "gru": nn.GRU}
# Where PyTorch has the gates that Keras has in its order: i, f, g, o in both; z, r, n there and r, z, n here.
GATE_ORDER = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}


class Classifier(nn.Module):
    def __init__(self, case: InferenceCase):
        super().__init__()
        weights = [torch.from_numpy(array) for array in case.weights()]
        self.embedding = nn.Embedding.from_pretrained(weights[0])
        units, make = case.hidden_size, MODULES[case.cell]
        directions = [_weights(*arrays, case.cell) for arrays in case.directions()]
        features = self.embedding.embedding_dim
        self.layers = make(features, units, 2, batch_first=True, bidirectional=True)
        self.layers.load_state_dict(
            {
                f"{name}_l{index // 2}{'_reverse' if index % 2 else ''}": array
                for index, arrays in enumerate(directions)
                for name, array in arrays.items()
            }
        )
        self.directions = nn.ModuleList(
            make(features if index < 2 else 2 * units, units, batch_first=True) for index in range(4)
        )
        for module, arrays in zip(self.directions, directions, strict=True):
            module.load_state_dict({f"{name}_l0": array for name, array in arrays.items()})
        self.kernel, self.bias = weights[-2:]

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor, packed: bool) -> torch.Tensor:
        x = self.embedding(ids)
        if packed or bool((lengths == ids.shape[1]).all()):
            if packed:
                x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            _, state = self.layers(x)
            h = state[0] if isinstance(state, tuple) else state
            last = [h[-2], h[-1]]
        else:
            times, rows = torch.arange(ids.shape[1]), torch.arange(len(ids))
            reversed_times = torch.where(times < lengths[:, None], lengths[:, None] - 1 - times, times)
            for forwards, backwards in (self.directions[:2], self.directions[2:]):
                forward_outputs, backward_outputs = forwards(x)[0], backwards(x[rows[:, None], reversed_times])[0]
                x = torch.cat([forward_outputs, backward_outputs[rows[:, None], reversed_times]], 2)
            last = [forward_outputs[rows, lengths - 1], backward_outputs[rows, lengths - 1]]
        return torch.softmax(torch.addmm(self.bias, torch.cat(last, 1), self.kernel), 1)


def _weights(kernel: np.ndarray, recurrent_kernel: np.ndarray, bias: np.ndarray, cell: str) -> dict[str, torch.Tensor]:
    """By PyTorch's names, without layer and direction."""
    input_bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    arrays = {
        "weight_ih": kernel.T,
        "weight_hh": recurrent_kernel.T,
        "bias_ih": input_bias,
        "bias_hh": recurrent_bias,
    }

    def ordered(array):
        gates = np.split(array, GATES[cell])
        return np.concatenate([gates[gate] for gate in GATE_ORDER[cell]])

    return {name: torch.from_numpy(ordered(array)) for name, array in arrays.items()}


def build(case: InferenceCase) -> dict:
    model, tokens = Classifier(case).eval(), Words(case.words)

    def way(packed: bool):
        def ask(texts):
            with torch.inference_mode():
                return model(*map(torch.from_numpy, tokens(texts)), packed).numpy()

        return ask

    return {"": way(packed=False), "packed": way(packed=True)}


serve_ways(build)
