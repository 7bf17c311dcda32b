#!/bin/sh
# Starts one Redis: users with their passwords, this pod's name and address announced, and, in a
# cluster, a word to every other node, so that they find this one at whatever address it now has,
# and a look at whether this one still follows its master.
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

ask() {
  REDISCLI_AUTH="$(password admin)" timeout 5 redis-cli --user admin --no-auth-warning "$@" \
    2>/dev/null | tr -d '\r'
}

# Nodes know each other by address, and gossip alone does not heal a cluster all of whose pods
# were replaced at once. Meeting a node that is known only tells its new address.
meet_others() {
  while read -r other; do
    until ask -h "$other" cluster meet "$POD_IP" 6379 | grep -q OK; do
      sleep 2
    done
  done
}

# A replica that hears of its master's new address by gossip, and not from itself, writes it down
# and goes on copying from the old one, for ever.
follow_master() {
  while sleep 5; do
    link="$(ask info replication)"
    case "$link" in *master_link_status:down*) ;; *) continue ;; esac
    nodes="$(ask cluster nodes)"
    master="$(echo "$nodes" | awk '$3 ~ /myself/ && $4 != "-" { print $4 }')"
    address="$(echo "$nodes" | awk -v id="$master" '$1 == id { split($2, at, ":"); print at[1] }')"
    [ -n "$address" ] || continue
    echo "$link" | grep -qxF "master_host:$address" || ask cluster replicate "$master"
  done
}

write_users
if [ -n "${CLUSTER_NODES:-}" ]; then
  for other in $CLUSTER_NODES; do
    [ "$other" = "$POD_NAME" ] && continue
    echo "$other.redis-nodes.$POD_NAMESPACE.svc.cluster.local" | meet_others &
  done
  follow_master >/dev/null &
fi
# The node's name is in the title, so that whoever makes the cluster puts no replica beside its
# master.
exec redis-server /config/redis.conf \
  --masterauth "$(password replica)" \
  --cluster-announce-hostname "$name" \
  --cluster-announce-ip "$POD_IP" \
  --proc-title-template "{title} {listen-addr} on $NODE_NAME"
