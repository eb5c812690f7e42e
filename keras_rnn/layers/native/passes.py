"""A recurrent layer's forward and backward pass over a batch: checks, memory, and calls of the kernels."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from keras_rnn.layers.native.batch import Layer, checked_batch, split
from keras_rnn.layers.native.boundary import FLOAT32, checked
from keras_rnn.layers.native.distinct import distinct_products, write_distinct_gradients
from keras_rnn.layers.native.memory import LINE, addresses, allocate, allocate_packed, lines_of, unpack
from keras_rnn.layers.native.products import pack_matrix
from keras_rnn.layers.native.steps import panel_vectors
from keras_rnn.layers.native.threads import add_to_first, parallel_rows


def forward_pass(layer: Layer, *arrays) -> list[np.ndarray]:
    """The forward pass of all directions.

    Args:
        arrays: mask and indices, if the layer has them, inputs, kernels, recurrent kernels, biases, initial states.

    Returns:
        Outputs, last states `(directions * states, batch, units)`, and what `backward_pass` takes as `saved`.
    """
    cell, units, count = layer.cell, layer.units, layer.directions
    sizes = layer.masked, layer.indexed, layer.inputs, count, count, count * layer.biases, count * cell.states
    masks, indices, inputs, kernels, recurrent_kernels, biases, initial_states = split(arrays, *sizes)
    batch = checked_batch(layer, masks, indices, inputs, kernels, recurrent_kernels, initial_states)
    biases = [checked("bias", bias, FLOAT32, (layer.columns,)) for bias in biases]
    rows, time = batch.rows, batch.time
    saved = allocate_packed(*layer.saved_shapes(rows, time))
    workspaces, states, (last_states,) = split(saved.arrays, count, count * cell.states, 1)
    outputs = allocate((rows, time, count * units)) if layer.return_sequences else []
    if layer.indexed:
        kernel_inputs = distinct_products(batch.inputs[0], batch.kernels)
    else:
        kernel_inputs = [batch.inputs[n] for n in layer.input_of]
    references, calls = [], []  # `calls` know the arrays in `references` by their addresses
    for n in range(count):
        for state, last_state, initial_state in zip(
            *(layer.direction_slice(n, items) for items in (states, last_states, batch.states)), strict=True
        ):
            if time:
                state[:, -1 if layer.go_backwards[n] else 0] = initial_state
            else:
                last_state[...] = initial_state
        bias = np.zeros((cell.sums, units), np.float32)
        for summand, numbers in zip(
            layer.direction_slice(n, biases), (cell.from_inputs, cell.from_state), strict=False
        ):
            bias[list(numbers)] += summand.reshape(cell.gates, units)
        kernel = [] if layer.indexed else [pack_matrix(batch.kernels[n])]
        recurrent_kernel = pack_matrix(batch.recurrent_kernels[n], cell.gates, panel_vectors(units, cell.sums))
        bias = checked("bias", bias, FLOAT32, (cell.sums, units))
        references.append([kernel, recurrent_kernel, bias])
        pointers = [*addresses([kernel_inputs[n]]), *_address(batch.indices), *addresses([batch.masks[n]])]
        pointers += [*_address(kernel), *addresses([recurrent_kernel, bias])]
        pointers += addresses([*layer.direction_slice(n, states), *layer.direction_slice(n, last_states)])
        pointers += [*layer.output_address(n, outputs), *addresses([workspaces[n]])]
        calls.append(partial(layer.code.forward, *pointers, *layer.scalar_args(n, time)))

    def run(chunks):
        for chunk in chunks:
            for call in calls:
                call(*chunk)

    weights = layer.weights_per_step()
    parallel_rows(run, rows, time, 2 * time * weights * count, weights)
    if not layer.return_sequences:
        outputs = [np.concatenate([layer.direction_slice(n, last_states)[0] for n in range(count)], 1)]
        for n in range(count):
            outputs[0][~batch.has_last_output(layer, n), n * units : (n + 1) * units] = 0
    return [outputs[0], last_states.copy(), saved.lines]


def backward_pass(layer: Layer, *arrays) -> list[np.ndarray]:
    """The gradients of all directions.

    Args:
        arrays: those of `forward_pass` without biases, `saved`, the gradients of the outputs, those of the last states.

    Returns:
        The gradients of the inputs, those of all weights in one vector, and those of the initial states.
    """
    cell, units, count = layer.cell, layer.units, layer.directions
    biases, columns = count * layer.biases, layer.columns
    sizes = layer.masked, layer.indexed, layer.inputs, count, count, count * cell.states, 2, count * cell.states
    masks, indices, inputs, kernels, recurrent_kernels, initial_states, (saved, d_outputs), d_last_states = split(
        arrays, *sizes
    )
    batch = checked_batch(layer, masks, indices, inputs, kernels, recurrent_kernels, initial_states)
    rows, time, features = batch.rows, batch.time, layer.features
    shape = (rows, time, count * units) if layer.return_sequences else (rows, count * units)
    d_outputs = [checked("the gradient of the outputs", d_outputs, FLOAT32, shape)]
    saved_shapes = layer.saved_shapes(rows, time)
    saved = checked("saved", saved, FLOAT32, (sum(map(lines_of, saved_shapes)), LINE))
    workspaces, states, (last_states,) = split(unpack(saved, *saved_shapes), count, count * cell.states, 1)
    d_inputs = allocate(*(array.shape for array in batch.inputs))
    weight_shapes = [*[(features, columns)] * count, *[(units, columns)] * count, *[(columns,)] * biases]
    d_weights, d_weight_arrays = _allocate_vector(weight_shapes)
    d_kernels, d_recurrent_kernels, d_biases = split(d_weight_arrays, count, count, biases)
    (d_states,) = allocate((count * cell.states, rows, units))
    for d_state, d_last_state in zip(d_states, d_last_states, strict=True):
        d_state[...] = checked("the gradient of a state", d_last_state, FLOAT32, (rows, units))
    if not layer.return_sequences:
        for n in range(count):
            has_output = batch.has_last_output(layer, n)[:, np.newaxis]
            d_output = np.where(has_output, d_outputs[0][:, n * units : (n + 1) * units], 0)
            layer.direction_slice(n, d_states)[0] += d_output
        d_outputs = []
    d_products = allocate(*[(rows, time, columns)] * count) if layer.indexed else []
    d_sum_biases = allocate(*[(cell.sums, units)] * count)
    first_results = [*([] if layer.indexed else d_kernels), *d_recurrent_kernels, *d_sum_biases]
    references, calls = [], []  # `calls` know the arrays in `references` by their addresses
    for n, number in enumerate(layer.input_of):
        kernel = [] if layer.indexed else [pack_matrix(batch.kernels[n], transposed=True)]
        recurrent_kernel = pack_matrix(batch.recurrent_kernels[n], 1, panel_vectors(units, 1), transposed=True)
        references.append([kernel, recurrent_kernel])
        pointers = [*addresses([batch.inputs[number]]), *layer.output_address(n, d_outputs)]
        pointers += [*addresses([batch.masks[n]]), *_address(kernel), *addresses([recurrent_kernel])]
        pointers += addresses([*layer.direction_slice(n, states), *layer.direction_slice(n, last_states)])
        pointers += addresses([workspaces[n]])
        result_pointers = addresses([d_inputs[number], *layer.direction_slice(n, d_states)])
        add_d_inputs = number in layer.input_of[:n]
        calls.append((pointers, result_pointers, [add_d_inputs, *layer.scalar_args(n, time)]))

    def run(chunks):
        # Each part of the rows adds to arrays of its own. The first part's are those that are returned.
        results = first_results if chunks[0][0] == 0 else allocate(*(array.shape for array in first_results))
        for array in results:
            array[...] = 0
        chunk_d_kernels, others = results[: -2 * count], results[-2 * count :]
        # Memory of one chunk, which all chunks use: it stays in the cache.
        chunk_rows = max(end - begin for begin, end in chunks)
        d_sums = allocate(*[(chunk_rows, time, columns)] * (1 + cell.has_separate_sums))
        for begin, end in chunks:
            d_sums_pointers = [address - 4 * begin * time * columns for address in addresses(d_sums)]
            for n, (pointers, result_pointers, scalar_args) in enumerate(calls):
                if layer.indexed:
                    d_sums_pointers[:1] = addresses([d_products[n]])
                d_weight_pointers = [*_address(chunk_d_kernels[n : n + 1]), *addresses(others[n::count])]
                all_pointers = [*pointers, *d_sums_pointers, *result_pointers, *d_weight_pointers]
                layer.code.backward(*all_pointers, *scalar_args, begin, end)
        return results

    weights = layer.weights_per_step()
    add_to_first(parallel_rows(run, rows, time, 4 * time * weights * count, weights))
    if layer.indexed:
        write_distinct_gradients(batch.inputs[0], batch.indices[0], batch.kernels, d_products, d_inputs[0], d_kernels)
    for n, d_sums in enumerate(d_sum_biases):
        for d_bias, numbers in zip(
            layer.direction_slice(n, d_biases), (cell.from_inputs, cell.from_state), strict=False
        ):
            d_bias.reshape(cell.gates, units)[...] = d_sums[list(numbers)]
    if not layer.indexed:
        d_inputs = [
            d.sum(axis=0, keepdims=True) if len(array) != rows else d for d, array in zip(d_inputs, inputs, strict=True)
        ]
    return [*d_inputs, d_weights, d_states]


def _allocate_vector(shapes: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, list[np.ndarray]]:
    """A float32 vector, and arrays of these shapes that share its memory, one after the other."""
    ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
    (vector,) = allocate((ends[-1],))
    arrays = [vector[end - math.prod(shape) : end].reshape(shape) for end, shape in zip(ends, shapes, strict=True)]
    return vector, arrays


def _address(arrays: Sequence) -> list[int]:
    """The address of the only array, or 0 for no array."""
    return addresses(arrays) or [0]
