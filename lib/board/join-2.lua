-- Brings a board up to an event: each member gets the better of its score and the event's. An event
-- that the board's last restoration knew already is left out: its totals may say too much by now.
--
-- KEYS  1 board (ZSET)  2 marks (HASH: product id → 'generation at generation at', the sale's
--       moment that was restored last, and the newest event that came)
-- ARGV  1 product id  2 generation  3 accepted at, epoch microseconds  4 which score is the better:
--       'LT' the lower or 'GT' the higher  5 members to keep, then score, member, …
--
-- Returns 'joined' or 'known'

local mark = redis.call('HGET', KEYS[2], ARGV[1]) or '0 0 0 0'
local restored, restoredAt, seen, seenAt = string.match(mark, '^(%d+) (%d+) (%d+) (%d+)$')
local function isAfter(generation, at, otherGeneration, otherAt)
  generation, otherGeneration = tonumber(generation), tonumber(otherGeneration)
  if generation ~= otherGeneration then return generation > otherGeneration end
  return tonumber(at) > tonumber(otherAt)
end

if not isAfter(ARGV[2], ARGV[3], restored, restoredAt) then return 'known' end
if isAfter(ARGV[2], ARGV[3], seen, seenAt) then seen, seenAt = ARGV[2], ARGV[3] end
redis.call('HSET', KEYS[2], ARGV[1], table.concat({restored, restoredAt, seen, seenAt}, ' '))
redis.call('ZADD', KEYS[1], ARGV[4], unpack(ARGV, 6))
-- Who is cut off now is not among the best at the end either: others' scores only improve.
local keep = tonumber(ARGV[5])
if ARGV[4] == 'LT' then
  redis.call('ZREMRANGEBYRANK', KEYS[1], keep, -1)
else
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -keep - 1)
end
return 'joined'
