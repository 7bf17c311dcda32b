#!/bin/bash
# Ready is a broker that answers and that the cluster counts among its brokers: asked for the
# metadata, it names itself. A fenced one (not registered yet, or given up by the controllers) does
# not. Speaks Kafka's protocol by itself, since the image's own tools start a JVM for it.
set -euo pipefail
node="${POD_NAME##*-}"
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-9092}"
# Metadata, version 1, of no topics: size, key 3, version, correlation id, no client id, no topics.
printf '\x00\x00\x00\x0e\x00\x03\x00\x01\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00' >&3

# So many bytes of the answer, as hexadecimal digits. Byte by byte: nothing is read beyond them.
take() { dd bs=1 count="$1" <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n'; }
number() { echo "$((16#$(take "$1")))"; }

# The answer's size, and the number of the question.
[ "$(number 4)" -gt 8 ]
[ "$(number 4)" = 1 ]
brokers="$(number 4)"
for ((at = 0; at < brokers; at++)); do
  if [ "$(number 4)" = "$node" ]; then exit 0; fi
  # Its name, its port, and the rack's name, which nobody has (-1) or somebody has.
  take "$(number 2)" >/dev/null
  take 4 >/dev/null
  rack="$(number 2)"
  if [ "$rack" != 65535 ]; then take "$rack" >/dev/null; fi
done
echo "broker $node is none of the $brokers that serve" >&2
exit 1
