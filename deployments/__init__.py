"""How the archive is run: deployments for Prefect, and everything on one machine under `local/`."""
