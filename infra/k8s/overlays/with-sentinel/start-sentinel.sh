#!/bin/sh
# A Sentinel writes what it learns into its configuration, which survives a restart: the name of the present primary above
# all.
set -eu
[ -f /data/sentinel.conf ] || cp /etc/redis/sentinel.conf /data/sentinel.conf
exec redis-server /data/sentinel.conf --sentinel --sentinel announce-ip "$(hostname).redis-sentinel"
