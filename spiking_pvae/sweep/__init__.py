"""Grids of models over beta, latents, family and seed: trained by continuation, resumable, in one tidy table."""
