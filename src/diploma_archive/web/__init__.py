"""What is asked of other addresses than FrontCore and S3."""
