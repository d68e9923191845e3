"""Image folders, annotation files and their completeness."""
