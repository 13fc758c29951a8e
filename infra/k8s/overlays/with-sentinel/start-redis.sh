#!/bin/sh
# Starts this Redis as the Sentinels say: the primary, or a replica of it. It waits for their answer and never guesses: a
# pod that starts as the primary with old data would make the others forget what they have since.
set -eu
me="$(hostname).redis"
primary=''
while [ -z "$primary" ]; do
  for sentinel in redis-sentinel-0 redis-sentinel-1 redis-sentinel-2; do
    answer="$(redis-cli -h "$sentinel.redis-sentinel" -p 26379 sentinel get-master-addr-by-name main 2>/dev/null || true)"
    primary="$(printf '%s\n' "$answer" | head -n 1)"
    # An error is a text with spaces, and no answer is empty.
    case "$primary" in '' | *' '*) primary='' ;; *) break ;; esac
  done
  [ -n "$primary" ] || sleep 1
done
set -- /etc/redis/redis.conf --replica-announce-ip "$me"
[ "$primary" = "$me" ] || set -- "$@" --replicaof "$primary" 6379
exec redis-server "$@"
