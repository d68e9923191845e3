"""Words of evidence on which a treatment depends: a judge says them, a remedy reads them."""

LOOPS = "loops:"
"""A process that stands in one place of the dataset uses a core there: it never gives it up."""

STOPPED = "stopped (state T)"
TRACED = "held by a debugger (state t)"
