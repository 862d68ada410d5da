"""Settings every test shares."""

import os
import signal

from hypothesis import HealthCheck, settings

# Examples and displays draw into files, never on a screen.
os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile(
    "skactive",
    deadline=None,  # the first torch call of a process takes far longer than the rest
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
    print_blob=True,
)
settings.load_profile("skactive")


# A shell may start a job with Ctrl-C ignored, and so would be all programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
