"""Latent distributions, one file each: rates, divergences, moments."""
