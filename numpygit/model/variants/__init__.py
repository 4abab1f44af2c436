"""What no official checkpoint uses: other activations, relative positions, other picture sizes."""
