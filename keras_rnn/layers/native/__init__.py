"""Training steps of recurrent layers and embeddings on a CPU, in machine code made for this machine by LLVM.

`code` writes LLVM's instructions, `kernels` with it the loops of a cell over a whole sequence, `machine` compiles
them, `products` are those of matrices, `distinct` those of inputs that come more than once, `threads` share out the
rows of a batch, `memory` is used again. `operation` makes operations of TensorFlow of it: a layer's, with gradients, in
`sequence`, sums of rows in `rows`, an optimizer's step in `adam`.
"""
