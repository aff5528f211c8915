"""The blocks that carry an account's settings: edited in Prefect's UI, secrets encrypted in its database."""

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from diploma_archive.settings.archive import ArchiveSettings
from diploma_archive.settings.frontcore import FrontCoreSettings

_SOURCE = FrontCoreSettings.model_fields
_WHERE = ArchiveSettings.model_fields


class FrontCoreAccount(Block):
    """One FrontCore account. The block's name is the account's name; flows take it as `account`."""

    _block_type_name = "FrontCore account"
    _block_type_slug = "frontcore-account"
    _description = "The API key and the limits of one FrontCore account."

    api_key: SecretStr = Field(title="API key", description="From FrontCore: Settings, API.")
    base_url: str = Field(default=_SOURCE["base_url"].default, title="Base URL", description="Where the API answers.")
    requests_per_second: float = Field(
        default=_SOURCE["requests_per_second"].default,
        title="Requests per second",
        description="All runs of this account together. FrontCore allows 5, shared with your other integrations. "
        "After a change run: python -m deployments.setup",
    )
    link_ttl_seconds: int = Field(
        default=_SOURCE["link_ttl_seconds"].default,
        title="Life of download links (seconds)",
        description="How long the links in a listing shall live.",
    )
    download_hosts: list[str] = Field(
        default_factory=list,
        title="Download hosts",
        description="host or host:port that diplomas may be downloaded from. Empty: the host of the base URL.",
    )


class ArchiveBucket(Block):
    """The bucket of one account's archive; it has the same name as the account."""

    _block_type_name = "Archive bucket"
    _block_type_slug = "archive-bucket"
    _description = "The S3 bucket that holds the diplomas of one FrontCore account."

    bucket: str = Field(description="The bare name of the bucket.")
    prefix: str = Field(default="", description="A folder in it, such as acme/prod. Each account needs its own.")
    endpoint_url: str | None = Field(
        default=None, title="Endpoint URL", description="Only for an S3 that is not Amazon's."
    )
    region: str | None = Field(default=None, description="The bucket's region, such as eu-north-1.")
    access_key_id: SecretStr | None = Field(
        default=None, title="Access key id", description="Empty: the worker's own credentials, such as an IAM role."
    )
    secret_access_key: SecretStr | None = Field(default=None, title="Secret access key")
    omit_fields: list[str] = Field(
        default_factory=lambda: list(_WHERE["omit_fields"].default),
        title="Omitted fields",
        description="Metadata that is not kept, such as user.email.",
    )
    suppression_key: SecretStr | None = Field(
        default=None,
        title="Suppression key",
        description="The secret that diploma-archive erase was run with. Needed once somebody was erased.",
    )
    max_pdf_bytes: int = Field(
        default=_WHERE["max_pdf_bytes"].default, title="Largest PDF (bytes)", description="A larger one is refused."
    )
