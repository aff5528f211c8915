"""`CHECK.md`: how somebody without this program checks an export, with what every machine has.

Rule: each step says what it proves and what it does not; its lines are run by a test as they stand.
"""

from __future__ import annotations

CHECK_FILE = "CHECK.md"
CERTIFICATES_FILE = "certificates.pem"

_BEGINNING = """\
# Check this export / Kontroller denne eksporten

**English.** These steps need no program of the archive's: a shell with `sha256sum` (on a Mac `shasum -a 256`) and
`openssl` 3. Open it in the folder in which `bagit.txt` lies. A step that ends with exit code 0 is passed.

**Norsk.** Disse stegene trenger ikke arkivets program: et skall med `sha256sum` (på Mac `shasum -a 256`) og `openssl`
3. Åpne det i mappen der `bagit.txt` ligger. Et steg som slutter med kode 0, er bestått.

## 1. Nothing is missing or changed / Ingenting mangler eller er endret

Proves that each file is what it was when the export was made. Does not prove when that was, or by whom, and does not
show files that were added.

Viser at hver fil er som da eksporten ble laget. Viser ikke når det var eller hvem som laget den, og viser ikke filer
som er lagt til.

```sh
sha256sum --quiet -c manifest-sha256.txt && sha256sum --quiet -c tagmanifest-sha256.txt
```

Where `bagit` is installed, this checks the same and names what was added / Der `bagit` finnes, sjekker dette det samme,
og finner det som er lagt til: `bagit.py --validate .`

## 2. Each PDF is the one that its record names / Hver PDF er den som posten nevner

Proves that PDF and record (`data/records`) belong together.

Viser at PDF og post (`data/records`) hører sammen.

```sh
(for pdf in data/diplomas/*.pdf; do
  sum=$(sha256sum "$pdf" | cut -d' ' -f1)
  grep -qsF "\\"sha256\\": \\"$sum\\"" data/records/*.json || { echo "no record names $pdf"; false; } || exit 1
done)
```
"""

_RECORDS = """
## 3. Each record is in a run report / Hver post står i en kjørerapport

The archive wrote a report for each of its runs; a report names the SHA-256 of each record, and of the report before it.
Proves that a record is the one that a run archived.

Arkivet skrev en rapport for hver kjøring; den nevner SHA-256 for hver post, og for rapporten før. Viser at posten er
den som en kjøring arkiverte.

```sh
(for record in data/records/*.json; do
  sum=$(sha256sum "$record" | cut -d' ' -f1)
  grep -rqsF "\\"record_sha256\\":\\"$sum\\"" data/objects || { echo "no report names $record"; false; } || exit 1
done)
```
"""

_SIGNATURES = """
## 4. The reports were signed / Rapportene er signert

Get the public key from the training provider itself, by another way than this export, and save it as `public.pem` here.
Proves that the provider's archive wrote these statements (`data/seals`), and that the reports they name are in this
export as they were. Does not prove when.

Få den offentlige nøkkelen fra kurstilbyderen selv, på en annen måte enn denne eksporten, og lagre den som `public.pem`
her. Viser at tilbyderens arkiv skrev erklæringene (`data/seals`), og at rapportene de nevner, er her som de var. Viser
ikke når.

```sh
(for statement in data/seals/*.json; do
  openssl pkeyutl -verify -rawin -pubin -inkey public.pem -in "$statement" -sigfile "${statement%.json}.sig" || exit 1
  sum=$(sed -n 's/.*"sha256": "\\([0-9a-f]*\\)".*/\\1/p' "$statement")
  grep -q "^$sum  data/objects/" manifest-sha256.txt || { echo "no report is the one of $statement"; false; } || exit 1
done)
```
"""

_STAMPS = """
## 5. When the statements were there / Når erklæringene fantes

`data/certificates.pem` has the certificates of the time-stamping service; compare them with those that the service
publishes. Proves that each statement was there at the time that is printed: what it names is not younger.

`data/certificates.pem` har sertifikatene til tidsstempeltjenesten; sammenlign dem med dem tjenesten offentliggjør.
Viser at hver erklæring fantes på tidspunktet som skrives ut: det den nevner, er ikke yngre.

```sh
(for stamp in data/seals/*.tsr; do
  openssl ts -verify -data "${stamp%.tsr}.json" -in "$stamp" \\
    -CAfile data/certificates.pem -untrusted data/certificates.pem || exit 1
  openssl ts -reply -in "$stamp" -text | grep "Time stamp"
done)
```
"""


def check_instructions(*, has_reports: bool, has_signatures: bool, has_stamps: bool) -> bytes:
    """Return the instructions for a bag, with the steps that fit what is in it."""
    parts = [
        _BEGINNING,
        _RECORDS if has_reports else "",
        _SIGNATURES if has_signatures else "",
        _STAMPS if has_stamps else "",
    ]
    return "".join(parts).encode()
