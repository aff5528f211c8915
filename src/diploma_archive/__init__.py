"""Copies every FrontCore diploma into an S3 bucket that the provider owns, and keeps it complete."""

__version__ = "0.1.0"
