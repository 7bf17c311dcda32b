-- Gives up what Redis holds of a sale: nothing is sold or acknowledged from here on until it has
-- been rebuilt from MySQL and Kafka, by whoever holds the lock next.
--
-- KEYS  1 sale (HASH)
-- ARGV  1 generation  2 revision  3 incarnation
--
-- Returns 'discarded'; 'refused' where the caller's generation or token is old, or the sale is
-- being rebuilt already.

local fields = redis.call('HMGET', KEYS[1], 'generation', 'revision', 'incarnation', 'state')
local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
if not fields[4] or fields[4] == 'loading' or fields[1] ~= ARGV[1] then return 'refused' end
if tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
  return 'refused'
end
redis.call('HSET', KEYS[1], 'state', 'loading', 'revision', ARGV[2], 'incarnation', ARGV[3])
redis.call('HDEL', KEYS[1], 'claim')
return 'discarded'
