#!/bin/bash
# Puts a backup in place of what the database holds: the newest, or BACKUP. Functions that write
# meanwhile would write into half a database: the operator's guide says how they are stopped.
# Afterwards it says from which place of the binary logs to which roll-forward.sh would go on.
set -euo pipefail
here="$(dirname "$0")"
. "$here/place.sh"
backup="${BACKUP:-$(ls "${BACKUPS:-/backups}"/mysql-*.sql.gz | sort | tail -n 1)}"
[ -f "$backup" ]
mysql_root() {
  MYSQL_PWD="$PASSWORD" mysql --host="$DATABASE_HOST" --port="${DATABASE_PORT:-3306}" --user=root "$@"
}
echo "restoring $backup"
# What is written here goes into a binary log of its own, which is not rolled forward into.
mysql_root --execute 'flush binary logs'
logs="$(mysql_root --batch --skip-column-names --execute 'show binary logs' | cut -f 1)"
last="$(tail -n 2 <<<"$logs" | head -n 1)"
mysql_root --execute 'drop database if exists seckill; create database seckill character set utf8mb4'
gunzip <"$backup" | mysql_root seckill
mysql_root seckill <"$here/after-restore.sql"
mysql_root --batch --skip-column-names --execute \
  "select concat('restored ', count(*), ' orders, the last accepted at ', coalesce(max(accepted_at), '-')) from orders" \
  seckill
echo "what came after it: FROM=$(place_in "$backup") TO=$last roll-forward.sh"
