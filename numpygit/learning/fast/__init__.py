"""Forward and backward once more, arranged for training. Read `backward/` first.

    layers.py, vision.py, text.py; model.py: loss and gradients of a batch

Each function is the twin of one of the model and of `backward/`, and a test holds them equal. What
differs, each measured (`tests/benchmarks/training.py`):

- All tokens of a piece of the batch are the rows of one matrix, (n, D): products are large, and
  queries, keys and values come out of one.
- The forward pass keeps what the backward pass needs and nothing else: of an activation its slope,
  of softmax the powers of e, whose sums divide thin arrays instead.
- Work on single numbers is done in place, block by block, so that a block stays in the cache.
- In the last text layer only the words ask: nobody reads what image tokens would find.
- Several texts of a picture may stand in one row (packing): each sees the picture and itself.
- Pieces of the batch run side by side, a thread each, on single-threaded products.
"""
