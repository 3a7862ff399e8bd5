"""One thread a worker, and no deadline for hypothesis: a first call may compile or read files."""

import os

# Before numpy and torch start their thread pools: the tests run in as many processes as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.load_profile("default")
