"""The yizhan command of the operator."""
