"""Latent distributions, one file each: posterior, divergence, moments, activity, zeros, draws."""
