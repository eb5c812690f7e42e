"""The peer of `inference` that runs the same weights as an ONNX graph, behind a tokeniser in plain Python."""

import numpy as np
import onnxruntime
from inference_case import GATES, InferenceCase
from inference_peer import serve_ways
from inference_words import Words
from onnx import TensorProto, helper, numpy_helper
from step_case import CLASSES

# Where ONNX has the gates that Keras has in its order: i, f, g, o there and i, o, f, g here; z, r, n in both.
GATE_ORDER = {"lstm": [0, 3, 1, 2], "gru": [0, 1, 2]}
OPSET = 17


def graph(case: InferenceCase) -> bytes:
    """ids int64 `(texts, time)` and lengths int32 `(texts,)` to probabilities; ONNX's layers have the time first."""
    weights, units = case.weights(), case.hidden_size
    constants = {"embedding": weights[0], "kernel": weights[-2], "bias": weights[-1]}
    constants |= {"both": np.array([0, 0, 2 * units]), "one": np.array([-1, 2 * units])}
    nodes = [
        helper.make_node("Transpose", ["ids"], ["ids_of_steps"], perm=[1, 0]),
        helper.make_node("Gather", ["embedding", "ids_of_steps"], ["inputs_0"]),
    ]
    directions = case.directions()
    for layer in range(2):
        for name, array in _weights(directions[2 * layer : 2 * layer + 2], case.cell).items():
            constants[f"{name}_{layer}"] = array
        inputs = [f"inputs_{layer}", f"W_{layer}", f"R_{layer}", f"B_{layer}", "lengths"]
        options = {"hidden_size": units, "direction": "bidirectional"}
        if case.cell == "gru":
            options["linear_before_reset"] = 1
        outputs = [f"steps_{layer}", f"last_{layer}"]
        nodes.append(helper.make_node(case.cell.upper(), inputs, outputs, **options))
    nodes[3:3] = [
        helper.make_node("Transpose", ["steps_0"], ["steps_of_rows"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["steps_of_rows", "both"], ["inputs_1"]),
    ]
    nodes += [
        helper.make_node("Transpose", ["last_1"], ["last_of_rows"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["last_of_rows", "one"], ["last"]),
        helper.make_node("Gemm", ["last", "kernel", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    onnx_graph = helper.make_graph(
        nodes,
        "classifier",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, [None, None]),
            helper.make_tensor_value_info("lengths", TensorProto.INT32, [None]),
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, CLASSES])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(onnx_graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8  # that of the opset; the newest one is not known to every runtime
    return model.SerializeToString()


def _weights(directions: list[list[np.ndarray]], cell: str) -> dict[str, np.ndarray]:
    """Of a layer, by ONNX's names, `(directions, ...)`."""

    def ordered(array):
        gates = np.split(array, GATES[cell], axis=-1)
        return np.concatenate([gates[gate] for gate in GATE_ORDER[cell]], axis=-1)

    names = {"W": [], "R": [], "B": []}
    for kernel, recurrent_kernel, bias in directions:
        input_bias, recurrent_bias = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        names["W"].append(ordered(kernel).T)
        names["R"].append(ordered(recurrent_kernel).T)
        names["B"].append(np.concatenate([ordered(input_bias), ordered(recurrent_bias)]))
    return {name: np.stack(arrays) for name, arrays in names.items()}


def build(case: InferenceCase) -> dict:
    session, tokens = onnxruntime.InferenceSession(graph(case), providers=["CPUExecutionProvider"]), Words(case.words)

    def ask(texts):
        ids, lengths = tokens(texts)
        return session.run(["probabilities"], {"ids": ids, "lengths": lengths.astype(np.int32)})[0]

    return {"": ask}


serve_ways(build)
