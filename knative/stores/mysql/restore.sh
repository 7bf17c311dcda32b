#!/bin/bash
# Puts a backup in place of what the database holds: the newest, or BACKUP. Functions that write
# meanwhile would write into half a database: the operator's guide says how they are stopped.
set -euo pipefail
backup="${BACKUP:-$(ls /backups/mysql-*.sql.gz | sort | tail -n 1)}"
[ -f "$backup" ]
mysql_root() {
  MYSQL_PWD="$PASSWORD" mysql --host="$DATABASE_HOST" --user=root "$@"
}
echo "restoring $backup"
mysql_root --execute 'drop database if exists seckill; create database seckill character set utf8mb4'
gunzip <"$backup" | mysql_root seckill
mysql_root --batch --skip-column-names --execute \
  "select concat('restored ', count(*), ' orders, the last accepted at ', coalesce(max(accepted_at), '-')) from orders" \
  seckill
