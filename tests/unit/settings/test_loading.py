"""Settings are checked once, at the start, in words that name the setting and never show its value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from diploma_archive.errors import Kind, SettingsError
from diploma_archive.settings.loading import Settings, load_settings

CANARY = "canary7hunter2"


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """No setting of this machine, and an empty working directory; everything is put back afterwards."""
    for name in {*os.environ, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL_S3"}:
        if name.upper().startswith(("FRONTCORE_", "ARCHIVE_", "AWS_")):
            monkeypatch.setenv(name, "x")  # so that monkeypatch puts it back whatever the program does to it
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def load(monkeypatch):
    """Load settings that are complete but for the names given; None leaves a name out."""

    def load_with(**names: str | None) -> Settings:
        for name, value in {"FRONTCORE_API_KEY": "key-1", "ARCHIVE_BUCKET": "diplomas", **names}.items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return load_settings()

    return load_with


@pytest.fixture
def refusal(load):
    """Return what a person is told about settings that must be refused."""

    def refused(**names: str | None) -> str:
        with pytest.raises(SettingsError) as caught:
            load(**names)
        assert caught.value.kind is Kind.FATAL
        assert caught.value.__cause__ is None
        return caught.value.diagnostics()

    return refused


def test_key_and_bucket_are_enough(load):
    """All other settings have the defaults of the design."""
    settings = load()
    source, archive = settings.frontcore, settings.archive
    assert source.api_key.get_secret_value() == "key-1"
    assert (source.account, source.base_url) == ("default", "https://api.frontcore.com/v2")
    assert (source.requests_per_second, source.link_ttl_seconds) == (4.0, 900)
    assert source.allowed_hosts == {("api.frontcore.com", 443)}
    assert (archive.bucket, archive.prefix, archive.concurrency) == ("diplomas", "", 8)
    assert archive.omit_fields == ("user.national_identification_number",)
    assert archive.max_pdf_bytes == 25_000_000


def test_every_setting_can_be_set(load):
    """Each name of the design is read."""
    settings = load(
        FRONTCORE_ACCOUNT="acme",
        FRONTCORE_BASE_URL="https://eu.frontcore.example:8443/v2",
        FRONTCORE_REQUESTS_PER_SECOND="2.5",
        FRONTCORE_LINK_TTL_SECONDS="300",
        FRONTCORE_DOWNLOAD_HOSTS="files.example, cdn.example:8443",
        ARCHIVE_PREFIX="acme/prod",
        ARCHIVE_OMIT_FIELDS="user.email, coursedate.location.address",
        ARCHIVE_MAX_PDF_BYTES="1000000",
        ARCHIVE_CONCURRENCY="3",
    )
    source, archive = settings.frontcore, settings.archive
    assert (source.account, source.requests_per_second, source.link_ttl_seconds) == ("acme", 2.5, 300)
    assert source.base_url == "https://eu.frontcore.example:8443/v2"
    assert source.allowed_hosts == {("files.example", 443), ("cdn.example", 8443)}
    assert (archive.prefix, archive.max_pdf_bytes, archive.concurrency) == ("acme/prod", 1_000_000, 3)
    assert archive.omit_fields == ("user.email", "coursedate.location.address")


def test_downloads_come_from_the_base_url_by_default(load):
    """Without an allow-list, host and port of the base URL are the only place for downloads."""
    assert load(FRONTCORE_BASE_URL="http://127.0.0.1:8765/v2").frontcore.allowed_hosts == {("127.0.0.1", 8765)}


@pytest.mark.parametrize("key", [None, "", " ", "\n", "\t \r\n"])
def test_a_missing_or_blank_key_is_refused(refusal, key):
    """No run begins without an API key, and the text says which variable to set."""
    assert "FRONTCORE_API_KEY" in refusal(FRONTCORE_API_KEY=key)


@pytest.mark.parametrize("key", ["key-1\n", "key-1\r\n", " key-1 ", "\tkey-1"])
def test_outer_whitespace_of_a_key_is_trimmed(load, key):
    """A key read from a file works although a line break ends it."""
    assert load(FRONTCORE_API_KEY=key).frontcore.api_key.get_secret_value() == "key-1"


@pytest.mark.parametrize(
    "key", [f"{CANARY} {CANARY}", f"{CANARY}\nX-Evil: 1", f"{CANARY}\u00e5", f"\u201c{CANARY}\u201d"]
)
def test_a_key_that_cannot_be_one_is_refused(refusal, key):
    """A key with blanks, line breaks or typographic quotes is refused before it enters a header."""
    text = refusal(FRONTCORE_API_KEY=key)
    assert "FRONTCORE_API_KEY" in text
    assert CANARY not in text


def test_the_key_is_not_shown(load):
    """Printing the settings shows no key."""
    settings = load(FRONTCORE_API_KEY=CANARY)
    assert CANARY not in f"{settings!r} {settings} {settings.frontcore.model_dump()} {settings.frontcore!r}"


@pytest.mark.parametrize("bucket", [None, "", "s3://diplomas", "diplomas/acme", "a", "two words", "b?x"])
def test_a_missing_or_wrong_bucket_is_refused(refusal, bucket):
    """A bucket is a bare name; a folder belongs into the prefix."""
    assert "ARCHIVE_BUCKET" in refusal(ARCHIVE_BUCKET=bucket)


def test_all_problems_are_told_at_once(refusal):
    """A person puts everything right in one go."""
    text = refusal(FRONTCORE_API_KEY=None, ARCHIVE_BUCKET=None, ARCHIVE_PREFIX="/x", FRONTCORE_REQUESTS_PER_SECOND="0")
    for name in ("FRONTCORE_API_KEY", "ARCHIVE_BUCKET", "ARCHIVE_PREFIX", "FRONTCORE_REQUESTS_PER_SECOND"):
        assert name in text


@pytest.mark.parametrize(
    ("given", "prefix"), [("acme/prod", "acme/prod"), ("acme/prod/", "acme/prod"), ("acme", "acme")]
)
def test_a_trailing_slash_of_the_prefix_changes_nothing(load, given, prefix):
    """`acme/prod` and `acme/prod/` are one archive."""
    assert load(ARCHIVE_PREFIX=given).archive.prefix == prefix


@pytest.mark.parametrize(
    "prefix",
    [
        "..",
        f"../{CANARY}",
        f"{CANARY}/../x",
        f"{CANARY}/..",
        f"{CANARY}/./x",
        ".",
        f"/{CANARY}",
        f"//{CANARY}",
        f"{CANARY}//prod",
        f"{CANARY}//",
        f"{CANARY}\\prod",
        f"{CANARY}\nprod",
        f" {CANARY}",
        CANARY * 100,
    ],
)
def test_a_prefix_that_leaves_its_place_is_refused(refusal, prefix):
    """No prefix climbs, doubles a slash or begins with one."""
    text = refusal(ARCHIVE_PREFIX=prefix)
    assert "ARCHIVE_PREFIX" in text
    assert CANARY not in text


@pytest.mark.parametrize("rate", ["0", "-1", "-0.5", "nan", "inf", "-inf", "1e999", CANARY, "4,5"])
def test_a_rate_that_is_no_rate_is_refused(refusal, rate):
    """The rate is a finite number above 0."""
    text = refusal(FRONTCORE_REQUESTS_PER_SECOND=rate)
    assert "FRONTCORE_REQUESTS_PER_SECOND" in text
    assert CANARY not in text


@pytest.mark.parametrize("rate", ["5.01", "6", "1000"])
@pytest.mark.parametrize(
    "base_url",
    [None, "https://api.frontcore.com/v3", "https://API.FrontCore.com/v2", "https://api.frontcore.com:443/v2"],
)
def test_frontcore_itself_allows_five(refusal, rate, base_url):
    """Above 5 requests a second against api.frontcore.com is refused, however its address is written."""
    assert "FRONTCORE_REQUESTS_PER_SECOND" in refusal(FRONTCORE_REQUESTS_PER_SECOND=rate, FRONTCORE_BASE_URL=base_url)


def test_five_is_fine_at_frontcore(load):
    """The limit itself is allowed."""
    assert load(FRONTCORE_REQUESTS_PER_SECOND="5").frontcore.requests_per_second == 5.0


def test_another_source_may_be_faster(load):
    """A sandbox or a mirror sets its own limit."""
    fast = load(FRONTCORE_REQUESTS_PER_SECOND="500", FRONTCORE_BASE_URL="http://127.0.0.1:8765/v2")
    assert fast.frontcore.requests_per_second == 500.0


@pytest.mark.parametrize("ttl", ["0", "-1", "-900", "1.5", "nan", CANARY])
def test_a_ttl_that_is_no_time_is_refused(refusal, ttl):
    """Links that live no second would all be dead."""
    text = refusal(FRONTCORE_LINK_TTL_SECONDS=ttl)
    assert "FRONTCORE_LINK_TTL_SECONDS" in text
    assert CANARY not in text


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.frontcore.com/v2",
        "http://10.0.0.5/v2",
        "http://localhost.example/v2",
        "http://127.0.0.1.example/v2",
        "http://0.0.0.0/v2",
        "ftp://api.frontcore.com/v2",
        "file:///etc/passwd",
        "api.frontcore.com/v2",
        "//api.frontcore.com/v2",
        "https://",
        "https:///v2",
        f"https://{CANARY}@api.frontcore.com/v2",
        f"https://user:{CANARY}@api.frontcore.com/v2",
        f"https://api.frontcore.com/v2?key={CANARY}",
        f"https://api.frontcore.com/v2#{CANARY}",
        "https://api.frontcore.com:99999/v2",
        "https://api.frontcore.com:x/v2",
        "https://[::1/v2",
        CANARY,
    ],
)
def test_an_unsafe_base_url_is_refused(refusal, base_url):
    """The key travels with every request: only https, or http on this machine."""
    text = refusal(FRONTCORE_BASE_URL=base_url)
    assert "FRONTCORE_BASE_URL" in text
    assert CANARY not in text


@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/v2", "http://localhost:8765/v2", "http://[::1]:8765/v2"])
def test_http_is_fine_on_this_machine(load, base_url):
    """A sandbox needs no certificate."""
    assert load(FRONTCORE_BASE_URL=f"{base_url}/").frontcore.base_url == base_url


@pytest.mark.parametrize(
    "fields",
    [
        CANARY,
        "user.emial",
        "user.email,user.fone",
        "email",
        "User.email",
        "id",
        "serial",
        "participant_id",
        "file",
        "user.",
        "links",
        "source.base_url",
    ],
)
def test_a_misspelt_omit_field_is_refused(refusal, fields):
    """A typing error must not keep data that somebody meant to leave out."""
    text = refusal(ARCHIVE_OMIT_FIELDS=fields)
    assert "ARCHIVE_OMIT_FIELDS" in text
    assert CANARY not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARCHIVE_MAX_PDF_BYTES", "0"),
        ("ARCHIVE_MAX_PDF_BYTES", "-1"),
        ("ARCHIVE_MAX_PDF_BYTES", CANARY),
        ("ARCHIVE_CONCURRENCY", "0"),
        ("ARCHIVE_CONCURRENCY", "-3"),
        ("ARCHIVE_CONCURRENCY", "100000"),
        ("ARCHIVE_CONCURRENCY", CANARY),
        ("FRONTCORE_ACCOUNT", f"{CANARY}/x"),
        ("FRONTCORE_ACCOUNT", "../x"),
        ("FRONTCORE_ACCOUNT", CANARY * 10),
        ("FRONTCORE_DOWNLOAD_HOSTS", f"https://{CANARY}"),
        ("FRONTCORE_DOWNLOAD_HOSTS", f"{CANARY}/path"),
        ("FRONTCORE_DOWNLOAD_HOSTS", f"user@{CANARY}"),
        ("FRONTCORE_DOWNLOAD_HOSTS", f"{CANARY}:99999"),
        ("FRONTCORE_DOWNLOAD_HOSTS", "10.0.0.5:8443"),
        ("FRONTCORE_DOWNLOAD_HOSTS", "[2001:db8::1]"),
    ],
)
def test_other_wrong_values_are_refused_by_name(refusal, name, value):
    """Every refusal names its variable and hides what was given."""
    text = refusal(**{name: value})
    assert name in text
    assert CANARY not in text


@pytest.mark.parametrize(
    ("name", "read", "default"),
    [
        ("FRONTCORE_ACCOUNT", lambda s: s.frontcore.account, "default"),
        ("FRONTCORE_BASE_URL", lambda s: s.frontcore.base_url, "https://api.frontcore.com/v2"),
        ("FRONTCORE_REQUESTS_PER_SECOND", lambda s: s.frontcore.requests_per_second, 4.0),
        ("FRONTCORE_LINK_TTL_SECONDS", lambda s: s.frontcore.link_ttl_seconds, 900),
        ("FRONTCORE_DOWNLOAD_HOSTS", lambda s: s.frontcore.allowed_hosts, {("api.frontcore.com", 443)}),
        ("ARCHIVE_PREFIX", lambda s: s.archive.prefix, ""),
        ("ARCHIVE_OMIT_FIELDS", lambda s: s.archive.omit_fields, ("user.national_identification_number",)),
        ("ARCHIVE_MAX_PDF_BYTES", lambda s: s.archive.max_pdf_bytes, 25_000_000),
        ("ARCHIVE_CONCURRENCY", lambda s: s.archive.concurrency, 8),
    ],
)
def test_an_empty_value_is_the_default(load, name, read, default):
    """`NAME=` in a compose file is the same as no line at all."""
    assert read(load(**{name: ""})) == default


def test_none_keeps_every_field(load):
    """Leaving nothing out has to be said on purpose."""
    assert load(ARCHIVE_OMIT_FIELDS="none").archive.omit_fields == ()


def test_dotenv_in_the_working_directory_is_read(monkeypatch):
    """`.env` is enough to start; AWS names in it reach boto3."""
    lines = ["FRONTCORE_API_KEY=from-file", "ARCHIVE_BUCKET=diplomas", "AWS_REGION=eu-north-1", "OTHER=1"]
    Path(".env").write_text("\n".join([*lines, "AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000\n"]), encoding="utf-8")
    settings = load_settings()
    assert settings.frontcore.api_key.get_secret_value() == "from-file"
    assert settings.archive.bucket == "diplomas"
    assert os.environ["AWS_REGION"] == "eu-north-1"
    assert os.environ["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:9000"
    assert "OTHER" not in os.environ


def test_the_environment_wins_over_dotenv(monkeypatch, load):
    """What is set for this process is stronger than the file, for AWS names too."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    Path(".env").write_text("FRONTCORE_API_KEY=from-file\nAWS_REGION=eu-north-1\n", encoding="utf-8")
    assert load(FRONTCORE_API_KEY="from-env").frontcore.api_key.get_secret_value() == "from-env"
    assert os.environ["AWS_REGION"] == "eu-west-1"


def test_dotenv_of_another_directory_is_not_read(tmp_path, monkeypatch, refusal):
    """Only the working directory counts."""
    (tmp_path / ".env").write_text("FRONTCORE_API_KEY=from-file\n", encoding="utf-8")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert "FRONTCORE_API_KEY" in refusal(FRONTCORE_API_KEY=None)


@pytest.mark.parametrize("blank", [" ", ",", " , ", "\n"])
def test_a_blank_omit_list_is_the_default(load, blank):
    """A blank ARCHIVE_OMIT_FIELDS never archives national identification numbers."""
    assert load(ARCHIVE_OMIT_FIELDS=blank).archive.omit_fields == ("user.national_identification_number",)


def test_a_trailing_dot_is_still_frontcore(refusal):
    """api.frontcore.com. is api.frontcore.com: at most 5 a second."""
    refusal(FRONTCORE_BASE_URL="https://api.frontcore.com./v2", FRONTCORE_REQUESTS_PER_SECOND="50")


@pytest.mark.parametrize(
    "url", ["https://exa mple.com/v2", "https://exa\nmple.com/v2", "https://ex%ample.com/v2", "https://h/v2 x"]
)
def test_a_base_url_that_httpx_refuses_is_refused_at_the_start(refusal, url):
    """Settings are checked once at the start: no httpx.InvalidURL later."""
    refusal(FRONTCORE_BASE_URL=url)


def test_a_dotenv_in_another_encoding_is_an_error_in_words(refusal):
    """A .env in Latin-1 is a SettingsError, not a UnicodeDecodeError."""
    Path(".env").write_bytes("ARCHIVE_PREFIX=\u00e5\n".encode("latin-1"))
    refusal()


def test_a_slash_is_no_prefix(refusal):
    """A prefix that begins with a slash is refused, also when it is nothing but one."""
    refusal(ARCHIVE_PREFIX="/")


def test_a_secret_may_lie_in_a_file(load, tmp_path):
    """As Docker and Kubernetes mount them, with a line break at the end."""
    (tmp_path / "key").write_text(f"{CANARY}\n")
    (tmp_path / "mark").write_text("a-suppression-key-of-enough-characters")
    settings = load(
        FRONTCORE_API_KEY=None,
        FRONTCORE_API_KEY_FILE=str(tmp_path / "key"),
        ARCHIVE_SUPPRESSION_KEY_FILE=str(tmp_path / "mark"),
    )
    assert settings.frontcore.api_key.get_secret_value() == CANARY
    assert settings.archive.suppression_key is not None
    assert settings.archive.suppression_key.get_secret_value().startswith("a-suppression")


def test_a_file_may_be_named_in_the_env_file(load, tmp_path):
    """`.env` names it as the environment does."""
    (tmp_path / "key").write_text(CANARY)
    Path(".env").write_text(f"FRONTCORE_API_KEY_FILE={tmp_path / 'key'}\n")
    assert load(FRONTCORE_API_KEY=None).frontcore.api_key.get_secret_value() == CANARY


def test_aws_secrets_in_files_are_handed_to_boto3(load, tmp_path, monkeypatch):
    """boto3 reads no such file itself; loading twice, as a flow does, is no contradiction."""
    (tmp_path / "secret").write_text(CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")  # put back afterwards
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("diploma_archive.settings.loading._from_files", set())
    for _ in range(2):
        load(AWS_SECRET_ACCESS_KEY_FILE=str(tmp_path / "secret"))
        assert os.environ["AWS_SECRET_ACCESS_KEY"] == CANARY


@pytest.mark.parametrize("content", [None, "", " \n", "x" * 20_000, b"\xff\xfe"])
def test_a_file_that_holds_no_secret_is_refused(refusal, tmp_path, content):
    """Missing, empty, blank, far too long, or no text: the setting is named, and nothing of it is shown."""
    if content is not None:
        (tmp_path / "key").write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refusal(FRONTCORE_API_KEY=None, FRONTCORE_API_KEY_FILE=str(tmp_path / "key"))
    assert "FRONTCORE_API_KEY_FILE" in said
    assert "xxxx" not in said


@pytest.mark.parametrize("name", ["FRONTCORE_API_KEY", "ARCHIVE_SUPPRESSION_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_a_secret_given_twice_is_refused(refusal, tmp_path, name):
    """Which of them counts would be a guess."""
    (tmp_path / "key").write_text(CANARY)
    said = refusal(**{name: f"{CANARY}-and-more-of-it-so-that-it-is-long", f"{name}_FILE": str(tmp_path / "key")})
    assert f"{name} and {name}_FILE are both set" in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("FRONTCORE_REQUEST_PER_SECOND", "FRONTCORE_REQUESTS_PER_SECOND"),
        ("frontcore_apikey", "FRONTCORE_API_KEY"),
        ("ARCHIVE_BUCKETS", "ARCHIVE_BUCKET"),
        ("ERASURE_AWS_PROFIL", "ERASURE_AWS_PROFILE"),
        ("ARCHIVE_XYZZY", None),
    ],
)
def test_a_misspelt_setting_is_never_ignored_in_silence(load, refusal, caplog, monkeypatch, name, nearest):
    """In `.env`, which is ours, an error; in the environment, which others share, one warning; never its value."""
    monkeypatch.setattr("diploma_archive.settings.sources._said", set())
    monkeypatch.setenv(name, CANARY)
    for _ in range(2):
        load()
    (warning,) = [record.getMessage() for record in caplog.records if name.upper() in record.getMessage()]
    assert (nearest or "of this program") in warning
    monkeypatch.delenv(name)
    Path(".env").write_text(f"{name}={CANARY}\n")
    said = refusal()
    assert name.upper() in said
    assert (nearest or "of this program") in said
    assert CANARY not in said + caplog.text


def test_settings_of_others_are_left_alone(load, caplog):
    """Names that do not begin as ours do are nobody's business here."""
    Path(".env").write_text("FRONTCOREX=1\nMY_ARCHIVE_BUCKET=1\nAWS_REGION=eu-north-1\nPREFECT_API_URL=x\n")
    load()
    assert not caplog.records
