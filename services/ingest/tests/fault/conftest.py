"""What integration tests have."""

from services.ingest.tests.integration.conftest import corner

__all__ = ["corner"]
