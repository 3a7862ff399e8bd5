"""Training: the loop, what feeds it, what it runs on."""

from spiking_pvae.training.loop import Progress, fit

__all__ = ["Progress", "fit"]
