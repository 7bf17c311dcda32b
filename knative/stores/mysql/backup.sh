#!/bin/bash
# Dumps the database as of one moment, restores the dump into a server of its own, and keeps it
# only if what was restored holds the promises. Keeps the newest 14. Each says at which place of the
# binary logs it was taken, so that what came after can be put on top of it (roll-forward.sh).
set -euo pipefail
backups="${BACKUPS:-/backups}"
scratch="${SCRATCH:-/scratch}"
dump="$backups/mysql-$(date -u +%Y%m%dT%H%M%SZ).sql.gz"
socket="$scratch/socket"

take() {
  # What earlier tries left.
  rm -f "$backups"/*.part
  # MySQL 8's name of the option, or MariaDB's. Fails where the server has no binary logs.
  local place=--master-data=2
  case "$(mysqldump --help)" in *--source-data*) place=--source-data=2 ;; esac
  MYSQL_PWD="$PASSWORD" mysqldump --host="$DATABASE_HOST" --port="${DATABASE_PORT:-3306}" \
    --user=backup --single-transaction "$place" --quick --no-tablespaces --hex-blob seckill |
    gzip >"$dump.part"
  # Its last line: a dump that broke off has none.
  gunzip <"$dump.part" | tail -n 1 | grep -q 'Dump completed'
}

. "$(dirname "$0")/place.sh"

# Nobody but this script can reach it: no network, and a socket in this pod.
start_scratch_server() {
  rm -rf "$scratch/data"
  mysqld --no-defaults --initialize-insecure --datadir="$scratch/data"
  mysqld --no-defaults --datadir="$scratch/data" --socket="$socket" --pid-file="$scratch/pid" \
    --tmpdir="$scratch" --skip-networking --loose-mysqlx=OFF --skip-log-bin \
    --innodb-flush-log-at-trx-commit=0 &
  server=$!
  trap 'kill "$server"; wait "$server" || true' EXIT
  local tries=0
  until mysqladmin --no-defaults --socket="$socket" --user=root ping >/dev/null 2>&1; do
    kill -0 "$server"
    tries=$((tries + 1))
    [ "$tries" -lt 120 ]
    sleep 1
  done
}

sql() {
  mysql --no-defaults --socket="$socket" --user=root --batch --skip-column-names --execute "$1" seckill
}

restore() {
  mysql --no-defaults --socket="$socket" --user=root --execute 'create database if not exists seckill'
  gunzip <"$dump.part" | mysql --no-defaults --socket="$socket" --user=root seckill
}

# Rows that contradict a promise; none of them should be there.
contradictions() {
  sql "
    select 'stock and units', p.product_id from products p
    left join (select product_id, count(*) as n from order_units group by product_id) u
      on u.product_id = p.product_id
    where p.unsold <> p.stock - coalesce(u.n, 0)"
  sql "
    select 'order and units', o.order_id from orders o
    left join (select order_id, count(*) as n from order_units group by order_id) u
      on u.order_id = o.order_id
    where coalesce(u.n, 0) <> if(o.status = 'confirmed', o.quantity, 0)"
}

take
place="$(place_in "$dump.part")"
if [ -z "$place" ]; then
  echo 'The dump does not say at which place of the binary logs it was taken: are they on?' >&2
  exit 1
fi
start_scratch_server
restore
found="$(contradictions)"
if [ -n "$found" ]; then
  printf 'The dump contradicts itself, and is kept as %s.part:\n%s\n' "$dump" "$found" >&2
  exit 1
fi
rows="$(sql 'select count(*) from orders')"
mv "$dump.part" "$dump"
ls "$backups"/mysql-*.sql.gz | sort -r | tail -n +15 | while read -r old; do rm -- "$old"; done
echo "kept $dump: restored with $rows orders, $(stat -c %s "$dump") bytes, taken at $place"
