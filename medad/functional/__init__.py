"""Pure mathematical functions of tensors or arrays."""
