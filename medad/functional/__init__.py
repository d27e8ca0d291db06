"""Pure maths: tensors or arrays in and out."""
