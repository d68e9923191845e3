"""TensorBoard: its event files and its server."""
