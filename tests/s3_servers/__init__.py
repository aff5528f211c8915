"""S3 servers of other makers, started on this machine without a container, and the main job on each of them."""
