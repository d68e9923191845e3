"""What dualwatch costs, measured beside its peers. See ``README.md`` in this folder."""
