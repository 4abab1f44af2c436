"""One backward function beside each forward one: the definition, in the order of the model."""
