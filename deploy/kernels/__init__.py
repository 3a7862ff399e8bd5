"""Compiled loops over numpy arrays: each kernel equals a formula of the reference backend, integer for integer.

Every file stands alone, since numba decides by a file's date whether its compiled code on disk is still good.
"""
