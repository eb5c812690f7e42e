"""The peer of `layers` that runs PyTorch's layers, with the batch first or, as they are laid out within, time first."""

import numpy as np
import torch
from layer_case import GATES, Case
from peer import serve
from turns import seconds_per_call

MODULES = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}
# Where PyTorch has the gates that Keras has in its order: i, f, g, o in both; z, r, n there and r, z, n here.
GATE_ORDER = {"LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2], "SimpleRNN": [0]}
LAYOUTS = {"batch first": True, "time first": False}
functions = {}


def build(case: dict, results: str) -> dict:
    """Makes the calls to be timed, and writes the outputs and the gradient of the inputs to the file `results`."""
    case = Case(**case)
    for layout, batch_first in LAYOUTS.items():
        layer = MODULES[case.cell](case.features, case.units, batch_first=batch_first, bidirectional=case.bidirectional)
        set_weights(layer, case)
        inputs, slopes = (
            torch.from_numpy(array if batch_first else np.ascontiguousarray(array.swapaxes(0, 1)))
            for array in (case.inputs(), case.slopes())
        )
        functions[layout] = {
            "forward": lambda layer=layer, inputs=inputs: forward(layer, inputs),
            "train_step": lambda layer=layer, inputs=inputs, slopes=slopes: train_step(layer, inputs, slopes),
        }
    first = functions["batch first"]
    np.savez(results, outputs=first["forward"]().numpy(), d_inputs=first["train_step"]().numpy())
    return {}


def forward(layer: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return layer(inputs)[0]


def train_step(layer: torch.nn.Module, inputs: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """The gradient of the inputs; those of the weights are taken, too."""
    inputs = inputs.detach().requires_grad_()
    layer.zero_grad(set_to_none=True)
    (layer(inputs)[0] * slopes).sum().backward()
    return inputs.grad


def set_weights(layer: torch.nn.Module, case: Case) -> None:
    weights = case.weights()
    with torch.no_grad():
        for first, suffix in zip(range(0, len(weights), 3), ("", "_reverse"), strict=False):
            kernel, recurrent_kernel, bias = (ordered(array, case) for array in weights[first : first + 3])
            input_bias, recurrent_bias = bias if case.cell == "GRU" else (bias, np.zeros_like(bias))
            arrays = {
                "weight_ih": kernel.T,
                "weight_hh": recurrent_kernel.T,
                "bias_ih": input_bias,
                "bias_hh": recurrent_bias,
            }
            for name, array in arrays.items():
                getattr(layer, f"{name}_l0{suffix}").copy_(torch.from_numpy(np.ascontiguousarray(array)))


def ordered(array: np.ndarray, case: Case) -> np.ndarray:
    gates = np.split(array, GATES[case.cell], axis=-1)
    return np.concatenate([gates[gate] for gate in GATE_ORDER[case.cell]], axis=-1)


def turn(layout: str, what: str, seconds: float, calls: int) -> dict:
    return {"seconds": seconds_per_call(functions[layout][what], seconds, calls)}


serve({"build": build, "turn": turn})
