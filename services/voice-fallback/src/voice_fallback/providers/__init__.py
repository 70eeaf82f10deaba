"""The providers' protocols: one file each, behind one port."""
