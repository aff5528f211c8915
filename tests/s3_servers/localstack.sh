#!/usr/bin/env bash
# LocalStack's S3 on this machine (PyPI localstack-core; the package "localstack" wants an account), any keys.
# usage: PY313=python3.13 localstack.sh start|stop DIR     PORT: of the gateway
set -euo pipefail
action=${1:?start or stop}; folder=${2:?a folder for its data}; port=${PORT:-29130}

stop() {
  [ -f "$folder/pid" ] && kill "$(cat "$folder/pid")" 2>/dev/null || true
  rm -rf "$folder/pid" "$folder/data"
}
if [ "$action" = stop ]; then stop; exit 0; fi

stop
mkdir -p "$folder/data"
cd "$folder"
if [ ! -x venv/bin/python ]; then
  "${PY313:?a Python 3.13}" -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check "localstack-core[runtime]==2026.3.0" \
    "cbor2<6" pyopenssl==24.3.0 cryptography==44.0.2 service_identity==24.2.0
fi
SERVICES=s3 GATEWAY_LISTEN=127.0.0.1:$port DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 LOCALSTACK_VOLUME_DIR=$folder/data \
  setsid venv/bin/python -m localstack.runtime.main >log 2>&1 & echo $! >pid
for _ in $(seq 180); do
  curl -s -o /dev/null "http://127.0.0.1:$port/_localstack/health" && { echo "http://127.0.0.1:$port"; exit 0; }
  sleep 1
done
echo "it did not answer: $(tail -n 1 log)"; exit 1
