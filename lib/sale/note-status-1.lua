-- Notes what became of accepted orders once their rows are in MySQL.
--
-- Changes only orders that are there and still `accepted`: it never makes a key or a field, so a
-- note that comes late, or to a Redis that lost the sale, does no harm.
--
-- KEYS  1 orders (HASH)
-- ARGV  order id, status ('confirmed' or 'rejected'), and so on
--
-- Returns how many it changed.

local changed = 0
for index = 1, #ARGV, 2 do
  local record = redis.call('HGET', KEYS[1], ARGV[index])
  if record and string.sub(record, 1, 9) == 'accepted|' then
    redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1] .. string.sub(record, 9))
    changed = changed + 1
  end
end
return changed
