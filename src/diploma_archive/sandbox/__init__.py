"""A FrontCore and an S3 of our own on this machine; the rule: real HTTP, and nothing here knows the archive."""

from __future__ import annotations

from diploma_archive.sandbox.s3 import LocalS3
from diploma_archive.sandbox.school_data import MISSING, SandboxDiploma
from diploma_archive.sandbox.server import Sandbox, run_forever

__all__ = ["MISSING", "LocalS3", "Sandbox", "SandboxDiploma", "run_forever"]
