-- Looks orders of one sale up, all of them at one moment. It changes nothing.
--
-- KEYS  1 orders (HASH)  2 outbox (HASH)
-- ARGV  order ids
--
-- Returns {{record or nil, …}, {1 where the order's batch is still in the outbox or 0, …}}, each in
--   the order of the ids.

local records, pending = redis.call('HMGET', KEYS[1], unpack(ARGV)), {}
-- Many orders share a batch.
local outbox = {}
for index = 1, #ARGV do
  local number = records[index] and string.match(records[index], '^%l+|%d+|(%d+)|')
  if number and not outbox[number] then outbox[number] = redis.call('HEXISTS', KEYS[2], number) end
  pending[index] = number and outbox[number] or 0
end
return {records, pending}
