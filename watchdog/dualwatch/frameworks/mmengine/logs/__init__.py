"""Log lines of mmengine and of the old mmcv, and scalars.json."""
