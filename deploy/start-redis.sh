#!/bin/sh
# Checks the append-only file in the working directory, cuts off what cannot be read at its end, then runs the given command.
# Redis 7.0 itself repairs a tail torn inside a script so that the start after next applies half of the script.
set -eu

folder=appendonlydir
manifest=$folder/appendonly.aof.manifest

if [ -s "$manifest" ]; then
  # The checker takes a manifest that it does not understand for data, and would cut all of it off.
  if grep -Evq '^file [^ ]+ seq [0-9]+ type [bhi]$' "$manifest"; then
    echo "Expected a manifest of an append-only file in $manifest, got other lines. Restore $folder from a copy, or move it aside to start empty." >&2
    exit 1
  fi
  if ! redis-check-aof "$manifest"; then
    copy=cut-off/$(date -u +%Y%m%dT%H%M%SZ)
    mkdir -p "$copy"
    cp -a "$folder/." "$copy/"
    echo "The append-only file is damaged. What cannot be read is cut off; all of it is kept in $copy." >&2
    yes y 2>/dev/null | redis-check-aof --fix "$manifest"
    redis-check-aof "$manifest"
  fi
fi

exec docker-entrypoint.sh "$@"
