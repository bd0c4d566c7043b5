"""The release gate: whether a build of Mithril keeps what the documentation promises.

A candidate goes one straight line: :mod:`candidate` fetches it, :mod:`preflight` looks at its files, :mod:`changes`
says which functions are others, :mod:`environments` puts it in the place of the documented version, :mod:`execute`
makes the results that it can have changed, :mod:`findings` compares, :mod:`causes` groups, and :mod:`report` tells.
"""
