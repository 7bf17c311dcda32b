#!/bin/sh
# Starts one Redis: users with their passwords, this pod's name and address announced, and, in a
# cluster, a word to every other node, so that they find this one at whatever address it now has.
set -eu
secrets=/run/secrets/redis
name="$POD_NAME.redis-nodes.$POD_NAMESPACE.svc.cluster.local"

password() {
  cat "$secrets/$1"
}

# A user without a password in the Secret cannot sign in: Redis refuses it.
write_users() {
  umask 077
  while read -r keyword user rules; do
    [ "$keyword" = user ] || continue
    if [ -s "$secrets/$user" ]; then
      echo "user $user $rules >$(password "$user")"
    else
      echo "user $user $rules"
    fi
  done </config/users.acl >/run/redis/users.acl
}

# Nodes know each other by address, and gossip alone does not heal a cluster all of whose pods
# were replaced at once. Meeting a node that is known only tells its new address.
meet_others() {
  while read -r other; do
    until REDISCLI_AUTH="$(password admin)" timeout 5 redis-cli --user admin --no-auth-warning \
      -h "$other" cluster meet "$POD_IP" 6379 2>/dev/null | grep -q OK; do
      sleep 2
    done
  done
}

write_users
if [ -n "${CLUSTER_NODES:-}" ]; then
  for other in $CLUSTER_NODES; do
    [ "$other" = "$POD_NAME" ] && continue
    echo "$other.redis-nodes.$POD_NAMESPACE.svc.cluster.local" | meet_others &
  done
fi
# The node's name is in the title, so that whoever makes the cluster puts no replica beside its
# master.
exec redis-server /config/redis.conf \
  --masterauth "$(password replica)" \
  --cluster-announce-hostname "$name" \
  --cluster-announce-ip "$POD_IP" \
  --proc-title-template "{title} {listen-addr} on $NODE_NAME"
