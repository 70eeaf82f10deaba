"""The receipt push: customers hear what became of the SMS, in the S3 format, until they answer."""
