-- Sets what an operator may change of a sale, as absolute values that MySQL holds already.
--
-- KEYS  1 sale (HASH)
-- ARGV  1 generation  2 revision  3 incarnation, then field and value pairs
--
-- Returns 'configured'; 'absent' where the sale is not loaded or being rebuilt (it will be loaded
-- with these values); 'refused' where the caller's generation or token is old.

local fields = redis.call('HMGET', KEYS[1], 'generation', 'revision', 'incarnation', 'state')
if not fields[4] or fields[4] == 'loading' then return 'absent' end
local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
if fields[1] ~= ARGV[1] or tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
  return 'refused'
end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'incarnation', ARGV[3], unpack(ARGV, 4))
return 'configured'
