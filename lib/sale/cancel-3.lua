-- Cancels accepted orders that MySQL has cancelled already, and gives their units back: from here
-- on they are sold again. The orders stay, so that the same purchases keep their answers.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)  3 buyers (HASH)
-- ARGV  1 generation  2 revision  3 incarnation, then order ids
--
-- Returns {'cancelled', sold, {buyer, totals, …}}: the sale's units sold, and the buyers of these
-- orders with what they have now (`firstAtUs|quantity`, or '' for nothing), whether the orders
-- were cancelled now or before. {'absent'} where the sale is not loaded or being rebuilt (it will be loaded without
-- these orders' units); {'refused'} where the caller's generation or token is old; {'broken'}
-- where units are free already that such an order holds: then nothing was changed.

local sale, orders, buyers = KEYS[1], KEYS[2], KEYS[3]
local fields = redis.call('HMGET', sale, 'generation', 'revision', 'incarnation', 'state',
  'left', 'sold', 'free')
if not fields[4] or fields[4] == 'loading' then return {'absent'} end
local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
if fields[1] ~= ARGV[1] or tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
  return {'refused'}
end
redis.call('HSET', sale, 'revision', ARGV[2], 'incarnation', ARGV[3])

local function number(value) return string.format('%.0f', value) end

local ranges = {}
local function addRanges(text)
  for from, to in string.gmatch(text, '(%d+)%-(%d+)') do
    ranges[#ranges + 1] = {tonumber(from), tonumber(to)}
  end
end

-- Decided first: what each order gives back, and what its buyer has left.
local left, sold = tonumber(fields[5]), tonumber(fields[6])
local seen, orderValues, bought = {}, {}, {}

local function buyerOf(userId)
  local buyer = bought[userId]
  if not buyer then
    local value = redis.call('HGET', buyers, userId)
    local firstAt, quantity = string.match(value or '', '^(%d+)|(%d+)$')
    buyer = {firstAt = firstAt, quantity = tonumber(quantity or 0)}
    bought[userId] = buyer
  end
  return buyer
end

for index = 4, #ARGV do
  local record = redis.call('HGET', orders, ARGV[index])
  local status, quantity, middle, units, userId =
    string.match(record or '', '^(%a+)|(%d+)|(%d+|%d+)|([%d,%-]*)|(.*)$')
  if userId then
    local buyer = buyerOf(userId)
    local isHolding = status == 'accepted' or status == 'confirmed'
    if isHolding and not seen[ARGV[index]] then
      seen[ARGV[index]] = true
      left = left + tonumber(quantity)
      sold = sold - tonumber(quantity)
      buyer.quantity = buyer.quantity - tonumber(quantity)
      addRanges(units)
      orderValues[#orderValues + 1] = ARGV[index]
      orderValues[#orderValues + 1] =
        table.concat({'cancelled', quantity, middle, '', userId}, '|')
    end
  end
end

if #orderValues > 0 then
  -- Lowest first, and neighbours as one range.
  addRanges(fields[7])
  table.sort(ranges, function(a, b) return a[1] < b[1] end)
  local merged = {}
  for _, range in ipairs(ranges) do
    local before = merged[#merged]
    if before and range[1] <= before[2] then return {'broken'} end
    if before and range[1] == before[2] + 1 then before[2] = range[2]
    else merged[#merged + 1] = range end
  end
  for at, range in ipairs(merged) do
    merged[at] = number(range[1]) .. '-' .. number(range[2])
  end
  redis.call('HSET', orders, unpack(orderValues))
  for userId, buyer in pairs(bought) do
    if buyer.quantity <= 0 then redis.call('HDEL', buyers, userId)
    else redis.call('HSET', buyers, userId, buyer.firstAt .. '|' .. number(buyer.quantity)) end
  end
  redis.call('HSET', sale, 'left', number(left), 'sold', number(sold),
    'free', table.concat(merged, ','))
  -- Tells whoever brings events to the boards that what they say of totals may be too much.
  redis.call('HINCRBY', sale, 'cancels', #orderValues / 2)
end

local totals = {}
for userId, buyer in pairs(bought) do
  totals[#totals + 1] = userId
  totals[#totals + 1] = buyer.quantity > 0
    and buyer.firstAt .. '|' .. number(buyer.quantity) or ''
end
return {'cancelled', number(sold), totals}
