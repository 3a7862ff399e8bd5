"""Lava processes. Lava imports every file of this folder while it looks for models, so that nothing else lives here."""
