"""The only changers of the world: launch, stop, TensorBoard, locks."""
