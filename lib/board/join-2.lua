-- Brings a board up to events of one generation: each member gets the better of its score and the
-- events'. An event that the board's last restoration knew already says too much by now, perhaps.
--
-- KEYS  1 board (ZSET)  2 marks (HASH: product id → 'generation at generation at', the sale's
--       moment that was restored last, and the newest event that came)
-- ARGV  1 product id  2 generation  3, 4 when the first and the last of the events was accepted,
--       epoch microseconds  5 which score is the better: 'LT' the lower or 'GT' the higher
--       6 members to keep  7 seconds that board and marks are kept unless they have their end
--       already; 0: they have none  then score, member, …
--
-- Returns how many members have another score now; 'known' where the restoration knew all of the
-- events, 'mixed' where it knew some: then nothing was changed, and each is to be joined by itself.

local mark = redis.call('HGET', KEYS[2], ARGV[1]) or '0 0 0 0'
local restored, restoredAt, seen, seenAt = string.match(mark, '^(%d+) (%d+) (%d+) (%d+)$')
local function isAfter(generation, at, otherGeneration, otherAt)
  generation, otherGeneration = tonumber(generation), tonumber(otherGeneration)
  if generation ~= otherGeneration then return generation > otherGeneration end
  return tonumber(at) > tonumber(otherAt)
end

if not isAfter(ARGV[2], ARGV[4], restored, restoredAt) then return 'known' end
if not isAfter(ARGV[2], ARGV[3], restored, restoredAt) then return 'mixed' end
if isAfter(ARGV[2], ARGV[4], seen, seenAt) then seen, seenAt = ARGV[2], ARGV[4] end
redis.call('HSET', KEYS[2], ARGV[1], table.concat({restored, restoredAt, seen, seenAt}, ' '))
local changed = redis.call('ZADD', KEYS[1], ARGV[5], 'CH', unpack(ARGV, 8))
-- Who is cut off now is not among the best at the end either: others' scores only improve, and of
-- equal scores the members' bytes decide, whoever came first.
local keep = tonumber(ARGV[6])
if ARGV[5] == 'LT' then
  redis.call('ZREMRANGEBYRANK', KEYS[1], keep, -1)
else
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -keep - 1)
end
for _, key in ipairs(KEYS) do
  if ARGV[7] == '0' then redis.call('PERSIST', key)
  else redis.call('EXPIRE', key, ARGV[7], 'NX') end
end
return changed
