"""Set up hypothesis: no deadline, since the first call of a test may compile or read files."""

from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.load_profile("default")
