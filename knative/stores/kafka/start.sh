#!/bin/sh
# Starts one broker under the number and the name of its pod; an empty volume is formatted first.
set -eu
properties=/tmp/server.properties
cat /config/server.properties - >"$properties" <<END
node.id=${POD_NAME##*-}
advertised.listeners=CLIENTS://$POD_NAME.kafka-brokers.$POD_NAMESPACE.svc.cluster.local:9092
END
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id "$CLUSTER_ID" \
  --config "$properties"
exec /opt/kafka/bin/kafka-server-start.sh "$properties"
