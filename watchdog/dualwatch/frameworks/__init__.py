"""All that knows a training framework, one package each."""
