-- Puts a board that was made beside it in its place, unless the old one knows something newer: a
-- later restoration, or an event from after the moment that the new one shows.
--
-- KEYS  1 board (ZSET)  2 marks (HASH, see `join-2.lua`)  3 the new board (ZSET)
-- ARGV  1 product id  2 generation  3 at: the new board has everything that was accepted up to then
--       4 members of the new board; none is an empty board
--       5 seconds that board and marks are kept; 0: they have no end
--
-- Returns 'restored'; 'refused' where something newer is there; 'incomplete' where the new board
-- is not what was made

local mark = redis.call('HGET', KEYS[2], ARGV[1]) or '0 0 0 0'
local restored, restoredAt, seen, seenAt = string.match(mark, '^(%d+) (%d+) (%d+) (%d+)$')
local function isAfter(generation, at)
  generation = tonumber(generation)
  if generation ~= tonumber(ARGV[2]) then return generation > tonumber(ARGV[2]) end
  return tonumber(at) > tonumber(ARGV[3])
end

if isAfter(restored, restoredAt) or isAfter(seen, seenAt) then
  redis.call('UNLINK', KEYS[3])
  return 'refused'
end
if redis.call('ZCARD', KEYS[3]) ~= tonumber(ARGV[4]) then return 'incomplete' end
redis.call('UNLINK', KEYS[1])
if ARGV[4] ~= '0' then redis.call('RENAME', KEYS[3], KEYS[1]) end
redis.call('HSET', KEYS[2], ARGV[1], table.concat({ARGV[2], ARGV[3], seen, seenAt}, ' '))
for index = 1, 2 do
  if ARGV[5] == '0' then redis.call('PERSIST', KEYS[index])
  else redis.call('EXPIRE', KEYS[index], ARGV[5]) end
end
return 'restored'
