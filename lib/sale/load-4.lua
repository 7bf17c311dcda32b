-- Loads one chunk of a rebuilt sale. The first chunk empties the sale, the last one opens it.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)  3 buyers (HASH)  4 outbox (HASH)
-- ARGV  1 claim  2 part: 'first', 'orders', 'buyers' or 'last'
--       then field and value pairs: for 'last' those of the sale, else those of the named HASH
--
-- Returns 'loaded', or 'refused' where the claim is no longer ours: start again from the claim.

local claim = redis.call('HGET', KEYS[1], 'claim')
if claim ~= ARGV[1] then return 'refused' end
local part = ARGV[2]
if part == 'first' then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'state', 'loading', 'claim', ARGV[1])
elseif part == 'last' then
  local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
  redis.call('HSET', KEYS[1], 'run_id', string.match(info, 'run_id:(%x+)'),
    'replid', string.match(info, 'master_replid:(%x+)'), unpack(ARGV, 3))
  redis.call('HDEL', KEYS[1], 'claim')
elseif part == 'orders' then
  redis.call('HSET', KEYS[2], unpack(ARGV, 3))
else
  redis.call('HSET', KEYS[3], unpack(ARGV, 3))
end
return 'loaded'
