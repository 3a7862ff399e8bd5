"""A program for the interpreter that has SANA-FE. Shipped and exported with the package, which never imports it."""
