#!/bin/bash
# Puts on top of a backup that was just restored what the binary logs have of the time after it.
# FROM and TO are in the restore's log. To end before something that should not have happened, TO is
# the place of that: FILE:POSITION (`show binlog events in 'FILE'`). Needs mysqlbinlog, which the
# server's own image lacks: run it on a machine that has MySQL's client programs of its version.
set -euo pipefail
from="${FROM%:*}"
to="${TO%:*}"
server=(--host="$DATABASE_HOST" --port="${DATABASE_PORT:-3306}" --user=root)
export MYSQL_PWD="$PASSWORD"
logs=()
while read -r log _; do
  if [[ ! "$log" < "$from" && ! "$log" > "$to" ]]; then logs+=("$log"); fi
done < <(mysql "${server[@]}" --batch --skip-column-names --execute 'show binary logs')
if [ "${logs[0]:-}" != "$from" ] || [ "${logs[-1]}" != "$to" ]; then
  echo "The server has not all binary logs from $from to $to: they are kept for a week" >&2
  exit 1
fi
stop=()
if [ "$to" != "$TO" ]; then stop=(--stop-position="${TO##*:}"); fi
mysqlbinlog --read-from-remote-server "${server[@]}" --database=seckill \
  --start-position="${FROM##*:}" "${stop[@]}" "${logs[@]}" | mysql "${server[@]}" --binary-mode
mysql "${server[@]}" seckill <"$(dirname "$0")/after-restore.sql"
mysql "${server[@]}" --batch --skip-column-names --execute \
  "select concat('now ', count(*), ' orders, the last accepted at ', coalesce(max(accepted_at), '-')) from orders" \
  seckill
