"""Training steps of recurrent layers on a CPU, in machine code made for this machine by LLVM.

`code` writes LLVM's instructions, `kernels` with it the loops of a cell over a whole sequence, `machine` compiles
them, `products` are those of matrices, `threads` share out the rows of a batch, `memory` is used again, and `sequence`
makes operations of TensorFlow of all, with gradients.
"""
