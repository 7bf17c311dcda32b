#!/bin/sh
# Keeps a snapshot that a restore has just proved, and the newest 14 of them.
set -eu
name="etcd-$(date -u +%Y%m%dT%H%M%SZ).db"
mv /backups/snapshot.part "/backups/$name"
ls /backups/etcd-*.db | sort -r | tail -n +15 | while read -r old; do rm -- "$old"; done
echo "kept $name ($(ls /backups/etcd-*.db | wc -l) in all)"
