"""The whole pipeline beside Debian's Kannel, against one message centre."""
