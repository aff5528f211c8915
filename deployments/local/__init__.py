"""The whole product on one machine: sandbox, S3 and Prefect, on 127.0.0.1 only."""
