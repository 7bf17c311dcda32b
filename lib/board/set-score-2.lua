-- Sets one member's score on a board that many products share, unless something newer is known.
--
-- KEYS  1 board (ZSET)  2 marks (HASH, see `join-2.lua`)
-- ARGV  1 product id, which is the member  2 generation  3 at: the score has everything that was
--       accepted up to then  4 score; none at 0
--
-- Returns 'restored', or 'refused' where something newer is there

local mark = redis.call('HGET', KEYS[2], ARGV[1]) or '0 0 0 0'
local restored, restoredAt, seen, seenAt = string.match(mark, '^(%d+) (%d+) (%d+) (%d+)$')
local function isAfter(generation, at)
  generation = tonumber(generation)
  if generation ~= tonumber(ARGV[2]) then return generation > tonumber(ARGV[2]) end
  return tonumber(at) > tonumber(ARGV[3])
end

if isAfter(restored, restoredAt) or isAfter(seen, seenAt) then return 'refused' end
if ARGV[4] == '0' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
end
redis.call('HSET', KEYS[2], ARGV[1], table.concat({ARGV[2], ARGV[3], seen, seenAt}, ' '))
return 'restored'
