"""Draws of the latents that carry a gradient, one file each."""
