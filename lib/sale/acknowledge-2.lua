-- Removes batches that Kafka has acknowledged from the outbox: their orders are no longer pending.
--
-- KEYS  1 sale (HASH)  2 outbox (HASH)
-- ARGV  1 generation  2 revision  3 incarnation, then batch numbers
--
-- Returns 'acknowledged'; 'refused' where the caller's generation or token is old, or the sale is
-- not there, being rebuilt, or was loaded into another Redis process (which may have forgotten who
-- claimed it since): then nobody may say 202 on the strength of that send.

local fields = redis.call('HMGET', KEYS[1], 'generation', 'revision', 'incarnation', 'state',
  'outbox_batches', 'run_id', 'replid')
local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
if not fields[4] or fields[4] == 'loading' or fields[1] ~= ARGV[1] then return 'refused' end
if tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
  return 'refused'
end
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if string.match(info, 'run_id:(%x+)') ~= fields[6]
  or string.match(info, 'master_replid:(%x+)') ~= fields[7] then
  return 'refused'
end
local removed = 0
for index = 4, #ARGV do removed = removed + redis.call('HDEL', KEYS[2], ARGV[index]) end
-- Counts what is taken out, not what is left: an outbox that was lost is not one that is empty.
local left = math.max(0, tonumber(fields[5] or 0) - removed)
if removed > 0 then redis.call('HSET', KEYS[1], 'outbox_batches', string.format('%.0f', left)) end
return 'acknowledged'
