-- Tells which Redis process holds a sale: the one the script runs in, found by the sale's key.
--
-- KEYS  1 sale (HASH)
--
-- Returns {run id, replication id}, as `load-4.lua` notes them in the sale.

local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
return {string.match(info, 'run_id:(%x+)'), string.match(info, 'master_replid:(%x+)')}
