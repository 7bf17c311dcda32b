-- Notes what became of accepted orders once their rows are in MySQL.
--
-- Changes only orders that are there and still `accepted`: it never makes a key, nor an order, so
-- a note that comes late, or to a Redis that lost the sale, does no harm. A rejected order has no
-- units in MySQL that it has here: the sale counts them, and a tick has it made anew.
--
-- KEYS  1 orders (HASH)  2 sale (HASH)
-- ARGV  order id, status ('confirmed' or 'rejected'), and so on
--
-- Returns how many it changed.

local changed, rejected = 0, 0
for index = 1, #ARGV, 2 do
  local record = redis.call('HGET', KEYS[1], ARGV[index])
  if record and string.sub(record, 1, 9) == 'accepted|' then
    redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1] .. string.sub(record, 9))
    changed = changed + 1
    if ARGV[index + 1] == 'rejected' then rejected = rejected + 1 end
  end
end
if rejected > 0 and redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HINCRBY', KEYS[2], 'rejects', rejected)
end
return changed
