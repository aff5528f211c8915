#!/usr/bin/env bash
# OpenStack Swift with s3api and tempauth on this machine: one proxy, account, container and object server, one replica.
# usage: swift.sh start|stop DIR     PORT: of the proxy; the three after it are used too
# keys test:tester/testing, region us-east-1. Swift reads /etc/swift/swift.conf and nothing else for its hash: start
# writes that one file where there is none (needs root), stop removes it again. DIR must know user xattrs.
set -euo pipefail
action=${1:?start or stop}; folder=${2:?a folder for its data}; port=${PORT:-29103}
conf=/etc/swift/swift.conf; mark='# written by diploma-archive tests/s3_servers/swift.sh'

stop() {
  for name in proxy object container account; do
    [ -f "$folder/$name.pid" ] || continue
    kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
    rm -f "$folder/$name.pid"
  done
  if [ -f $conf ] && grep -qF "$mark" $conf; then rm -f $conf; fi
  rm -rf "$folder/srv" "$folder/conf" "$folder/log"
}
if [ "$action" = stop ]; then stop; exit 0; fi

stop
if [ -f $conf ]; then echo "$conf is somebody else's"; exit 1; fi
mkdir -p "$folder"/{conf,srv/d1,log} /etc/swift
cd "$folder"
python3 -c 'import os,sys; os.setxattr(sys.argv[1], "user.try", b"1")' "$folder/srv" ||
  { echo "the file system of $folder has no user xattrs"; exit 1; }
if [ ! -x venv/bin/swift-proxy-server ]; then
  python3 -m venv venv
  venv/bin/pip install --quiet --disable-pip-version-check swift==2.38.3 pyeclib 'setuptools<81'
fi
printf '%s\n[swift-hash]\nswift_hash_path_suffix = here\nswift_hash_path_prefix = here\n[storage-policy:0]\nname = one\ndefault = yes\n' "$mark" >$conf
cp $conf conf/
export PATH="$folder/venv/bin:$PATH"
cd conf
for one in account:$((port + 1)) container:$((port + 2)) object:$((port + 3)); do
  name=${one%:*}
  swift-ring-builder $name.builder create 4 1 1
  swift-ring-builder $name.builder add "r1z1-127.0.0.1:${one#*:}/d1" 1
  swift-ring-builder $name.builder rebalance
  cat >$name.conf <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${one#*:}
workers = 0
swift_dir = $folder/conf
devices = $folder/srv
mount_check = false
user = $(id -un)
log_file = $folder/log/$name.log
fallocate_reserve = 0
[pipeline:main]
pipeline = $name-server
[app:$name-server]
use = egg:swift#$name
[$name-replicator]
[$name-updater]
[$name-auditor]
CONF
done
{
  cat <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
workers = 0
swift_dir = $folder/conf
user = $(id -un)
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging listing_formats s3api tempauth copy slo dlo versioned_writes symlink proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin .reseller_admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
allow_object_versioning = true
CONF
  for name in catch_errors gatekeeper healthcheck proxy-logging:proxy_logging listing_formats copy slo dlo symlink; do
    printf '[filter:%s]\nuse = egg:swift#%s\n' "${name%:*}" "${name#*:}"
  done
} >proxy.conf
for name in account container object proxy; do
  setsid swift-$name-server $name.conf >"$folder/log/$name.out" 2>&1 & echo $! >"$folder/$name.pid"
done
for _ in $(seq 120); do
  curl -s -o /dev/null "http://127.0.0.1:$port/healthcheck" && { echo "http://127.0.0.1:$port"; exit 0; }
  sleep 0.5
done
echo "the proxy did not answer: $(tail -n 1 "$folder/log/proxy.out")"; exit 1
