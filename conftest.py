"""What every suite has: see yizhan_local.testing."""

pytest_plugins = ["yizhan_local.testing"]
