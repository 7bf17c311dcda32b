-- Loads one chunk of a rebuilt sale. The first chunk empties the sale, the last one opens it.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)  3 buyers (HASH)  4 outbox (HASH)
-- ARGV  1 claim  2 part: 'first', 'orders', 'buyers' or 'last'
--       then field and value pairs: for 'first' and 'last' those of the sale, else those of the
--       named HASH. The first chunk names the generation, which update-rank goes by from then on
--
-- Returns 'loaded', or 'refused' where the claim is no longer ours, or this is not the process that
-- got the first chunk (it may lack chunks that one had): start again from the claim.

local fields = redis.call('HMGET', KEYS[1], 'claim', 'run_id', 'replid')
if fields[1] ~= ARGV[1] then return 'refused' end
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
local runId, replid = string.match(info, 'run_id:(%x+)'), string.match(info, 'master_replid:(%x+)')
local part = ARGV[2]
if part == 'first' then
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  redis.call('HSET', KEYS[1], 'state', 'loading', 'claim', ARGV[1],
    'run_id', runId, 'replid', replid, unpack(ARGV, 3))
  return 'loaded'
end
if fields[2] ~= runId or fields[3] ~= replid then return 'refused' end
if part == 'last' then
  redis.call('HSET', KEYS[1], unpack(ARGV, 3))
  redis.call('HDEL', KEYS[1], 'claim')
elseif part == 'orders' then
  redis.call('HSET', KEYS[2], unpack(ARGV, 3))
else
  redis.call('HSET', KEYS[3], unpack(ARGV, 3))
end
return 'loaded'
