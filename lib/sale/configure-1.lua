-- Sets what an operator may change of a sale, as absolute values that MySQL holds already.
--
-- KEYS  1 sale (HASH)
-- ARGV  1 generation  2 revision  3 incarnation  4 the change's number, which rises with every
--       change of one holder, then field and value pairs
--
-- Returns 'configured'; 'absent' where the sale is not loaded or being rebuilt (it will be loaded
-- with these values); 'refused' where the caller's generation or token is old, or a later change
-- of the same holder was here: this one was given up, and came late all the same.

local fields = redis.call('HMGET', KEYS[1], 'generation', 'revision', 'incarnation', 'state',
  'change')
if not fields[4] or fields[4] == 'loading' then return 'absent' end
local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
if fields[1] ~= ARGV[1] or tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
  return 'refused'
end
local holder = ARGV[2] .. ' ' .. ARGV[3] .. ' '
local last = fields[5] or ''
if string.sub(last, 1, #holder) == holder
  and tonumber(ARGV[4]) < tonumber(string.sub(last, #holder + 1)) then
  return 'refused'
end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'incarnation', ARGV[3],
  'change', holder .. ARGV[4], unpack(ARGV, 5))
return 'configured'
