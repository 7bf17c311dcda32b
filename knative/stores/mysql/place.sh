# The place in the binary logs at which a dump was taken, as FILE:POSITION; nothing where it does
# not say. MySQL 8 and MariaDB word it differently.
place_in() {
  gunzip <"$1" | sed -n -E \
    "s/^-- CHANGE (MASTER|REPLICATION SOURCE) TO (MASTER|SOURCE)_LOG_FILE='([^']+)', (MASTER|SOURCE)_LOG_POS=([0-9]+).*/\3:\5/p"
}
