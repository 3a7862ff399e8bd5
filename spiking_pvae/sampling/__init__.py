"""Random numbers as pure functions of their place, and the arrival-time sampler built on them."""
