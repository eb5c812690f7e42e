"""Training steps of recurrent layers and embeddings on a CPU, in machine code made for this machine by LLVM.

`code` writes LLVM's instructions, `kernels` with it the loops of a cell over a whole sequence, `machine` compiles
them, `products` are those of matrices, `threads` share out the rows of a batch, `memory` is used again. `sequence`
makes operations of TensorFlow of it, with gradients, as `rows` does for an optimizer of embeddings.
"""
