"""What `doctor` looks at and tries out in a bucket."""
