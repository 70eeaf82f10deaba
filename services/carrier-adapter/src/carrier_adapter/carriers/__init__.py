"""The carriers' protocols: one file each, behind one port."""
