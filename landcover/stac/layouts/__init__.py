"""How scenes lie on a disk: one module a layout, each from a folder or file to :class:`Found`."""
