#!/usr/bin/env bash
# Ceph RADOS Gateway on this machine, without a container: one monitor, one OSD in memory, one gateway, loopback only.
# usage: ceph.sh start|stop DIR      PORT: of the gateway; its neighbours from PORT+10 are used too
# keys test/testtest, region us-east-1. Needs root, and Debian's radosgw ceph-mon ceph-osd ceph-common (16.2 was tried).
set -euo pipefail
action=${1:?start or stop}; folder=${2:?a folder for its data}; port=${PORT:-29102}; mon=$((port + 10))

stop() {
  for name in rgw osd mon; do
    [ -f "$folder/$name.pid" ] || continue
    pid=$(cat "$folder/$name.pid")
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 20); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
    kill -9 "$pid" 2>/dev/null || true
  done
  rm -rf "$folder"
}
if [ "$action" = stop ]; then stop; exit 0; fi

stop
mkdir -p "$folder"/{mon,osd0,log,run}
cd "$folder"
fsid=$(cat /proc/sys/kernel/random/uuid)
# cephx, because the gateway of 16.2 does not come up without it; "mon data avail" low, or a full disk stops everything.
cat > ceph.conf <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$mon/0,v1:127.0.0.1:$((mon + 1))/0]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = $folder/keyring
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = $((mon + 2))
ms bind port max = $((mon + 60))
run dir = $folder/run
admin socket = $folder/run/\$name.asok
log file = $folder/log/\$name.log
pid file =
crash dir = $folder/run
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
mon warn on pool no redundancy = false
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
[mon.a]
mon data = $folder/mon
[osd]
osd data = $folder/osd0
osd objectstore = memstore
memstore device bytes = 2147483648
osd memory target = 939524096
[client.rgw.a]
rgw data = $folder/run
rgw frontends = beast endpoint=127.0.0.1:$port
rgw enable ops log = false
rgw enable usage log = false
rgw thread pool size = 64
CONF
conf="-c $folder/ceph.conf"
ceph-authtool --create-keyring keyring --gen-key -n mon. --cap mon 'allow *'
for name in client.admin osd.0 client.rgw.a; do
  ceph-authtool keyring --gen-key -n $name --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
done
monmaptool --create --addv a "[v2:127.0.0.1:$mon,v1:127.0.0.1:$((mon + 1))]" --fsid "$fsid" monmap
ceph-mon $conf --mkfs -i a --monmap monmap --keyring keyring
setsid ceph-mon $conf -i a -f >log/mon.out 2>&1 & echo $! >mon.pid
for _ in $(seq 60); do timeout 5 ceph $conf -s >/dev/null 2>&1 && break; sleep 1; done
osd=$(cat /proc/sys/kernel/random/uuid)
timeout 60 ceph $conf osd new "$osd" 0
timeout 60 ceph $conf osd crush add-bucket localhost host
timeout 60 ceph $conf osd crush move localhost root=default
timeout 60 ceph $conf osd crush add osd.0 1.0 host=localhost
ceph-osd $conf -i 0 --mkfs --osd-uuid "$osd"
setsid ceph-osd $conf -i 0 -f >log/osd.out 2>&1 & echo $! >osd.pid
for _ in $(seq 120); do timeout 5 ceph $conf osd stat 2>/dev/null | grep -q '1 up' && break; sleep 1; done
timeout 300 radosgw-admin $conf -n client.rgw.a user create --uid test --display-name test \
  --access-key test --secret-key testtest
setsid radosgw $conf -n client.rgw.a -f >log/rgw.out 2>&1 & echo $! >rgw.pid
for _ in $(seq 120); do
  curl -s -o /dev/null "http://127.0.0.1:$port/" && { echo "http://127.0.0.1:$port"; exit 0; }
  sleep 1
done
echo "the gateway did not answer: $(tail -n 1 log/rgw.out)"; exit 1
