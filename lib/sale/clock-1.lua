-- The time of the Redis that holds a sale, the one clock of that sale.
--
-- KEYS  1 sale: tells a Redis Cluster whose clock is meant
--
-- Returns {seconds, microseconds}

return redis.call('TIME')
