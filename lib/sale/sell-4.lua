-- Decides a batch of purchases of one product, and sells what can be sold.
--
-- Atomic over, in this order: fence, duplicate, sale window, per-user limit, stock, outbox.
-- It decides everything first and writes last, since Redis does not roll a script back (only the
-- token is noted before), and takes the time from Redis, the one clock of a sale.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)  3 buyers (HASH)  4 outbox (HASH)
-- ARGV  1 generation  2 revision  3 incarnation  4 orders per event  5 bytes per event
--       6 numbers of the batches that the caller is publishing right now ('7,8', or '' for none)
--       7 something was accepted at this time, epoch microseconds, as the caller knows; 0 if not
--       then for each purchase: order id, user id, quantity, traceparent ('' if not sampled)
--
-- Returns one of
--   {'missing'}                          the sale, or a part of it, is not in this Redis
--   {'loading'}                          somebody rebuilds it
--   {'other_process'}                    it was loaded into another Redis process
--   {'other_generation', generation}     the caller knows another generation
--   {'fenced'}                           a newer holder of the lock was here
--   {'leftovers', number, data, …}       batches to publish before anything new is sold
--   {'decided', left, opensAt, {outcome, …}, {number, data, …}, lastAt}

local sale, orders, buyers, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local fields = redis.call('HMGET', sale, 'generation', 'revision', 'incarnation', 'run_id',
  'replid', 'state', 'opens_at', 'closes_at', 'limit', 'left', 'free', 'batches', 'last_at',
  'sold', 'unit_price', 'currency', 'outbox_batches')
local generation, revision, incarnation = fields[1], fields[2], fields[3]
local state, opensAt, closesAt = fields[6], fields[7], fields[8]

if not state then return {'missing'} end
if state == 'loading' then return {'loading'} end
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if string.match(info, 'run_id:(%x+)') ~= fields[4]
  or string.match(info, 'master_replid:(%x+)') ~= fields[5] then
  return {'other_process'}
end
if generation ~= ARGV[1] then return {'other_generation', generation} end
local newRevision, newIncarnation = tonumber(ARGV[2]), tonumber(ARGV[3])
revision, incarnation = tonumber(revision), tonumber(incarnation)
if newRevision < revision or (newRevision == revision and newIncarnation < incarnation) then
  return {'fenced'}
end
-- Whoever has sold something has orders and buyers; without them, who bought what is forgotten.
local limit, left, sold = tonumber(fields[9]), tonumber(fields[10]), tonumber(fields[14])
if sold > 0 and redis.call('EXISTS', orders, buyers) < 2 then return {'missing'} end
-- Without what waited in the outbox, orders that Kafka never got would look acknowledged.
local outboxLength = redis.call('HLEN', outbox)
if outboxLength < tonumber(fields[17] or 0) then return {'missing'} end
-- A sale that knows less than its caller is a copy of the past.
if tonumber(fields[13]) < tonumber(ARGV[7]) then return {'missing'} end
-- Noted before anything else comes of this call: from here on, the holder before is refused.
if newRevision > revision or newIncarnation > incarnation then
  redis.call('HSET', sale, 'revision', ARGV[2], 'incarnation', ARGV[3])
end

-- What the caller itself is publishing is no leftover: its answers wait for that.
if outboxLength > 0 then
  local leftovers = {'leftovers'}
  for _, name in ipairs(redis.call('HKEYS', outbox)) do
    if not string.find(',' .. ARGV[6] .. ',', ',' .. name .. ',', 1, true) then
      leftovers[#leftovers + 1] = name
      leftovers[#leftovers + 1] = redis.call('HGET', outbox, name)
    end
  end
  if #leftovers > 1 then return leftovers end
end

local free, batches, lastAt = fields[11], tonumber(fields[12]), tonumber(fields[13])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
-- Rises with every order, even if the clock is set back: it orders acceptances.
local acceptedAt = math.max(now, lastAt + 1)

local closedFor
if state == 'paused' then
  closedFor = 'paused'
elseif state == 'closed' or (closesAt ~= '' and now >= tonumber(closesAt)) then
  closedFor = 'ended'
elseif opensAt == '' or now < tonumber(opensAt) then
  closedFor = 'not_open'
end

-- A time, in microseconds, as text; a count, which has no more than 31 bits, many times as fast.
local function number(value) return string.format('%.0f', value) end
local function count(value) return string.format('%d', value) end

-- Takes `quantity` units from the free ranges, lowest first; returns them as the event has them
-- ('[1,2],[5,5]') and as the order has them ('1-2,5-5').
local freeAt, first, last = 1, nil, nil
local freeIsShort = false
local function takeUnits(quantity)
  local json, text = '', ''
  while quantity > 0 do
    if not first then
      local from, to, after = string.match(free, '^(%d+)%-(%d+),?()', freeAt)
      if not from then
        freeIsShort = true
        return json, text
      end
      first, last, freeAt = tonumber(from), tonumber(to), after
    end
    local upTo = math.min(last, first + quantity - 1)
    local from, to = count(first), count(upTo)
    if json ~= '' then json, text = json .. ',', text .. ',' end
    json, text = json .. '[' .. from .. ',' .. to .. ']', text .. from .. '-' .. to
    quantity = quantity - (upTo - first + 1)
    first = upTo + 1
    if first > last then first = nil end
  end
  return json, text
end

-- What is still free, in the form of the field `free`.
local function freeRanges()
  local rest = string.sub(free, freeAt)
  if not first then return rest end
  local range = count(first) .. '-' .. count(last)
  return rest == '' and range or range .. ',' .. rest
end

local outcomes = {}
local orderValues, buyerValues, outboxValues = {}, {}, {}
local boughtNow, boughtBy = {}, {}
local eventParts, eventBytes, eventAt = {}, 0, nil

local function closeEvent()
  if #eventParts == 0 then return end
  local data = table.concat({'{"productId":"', string.match(sale, '{(.-)}'),
    '","generation":', generation, ',"acceptedAt":', eventAt,
    ',"unitPrice":', fields[15], ',"currency":"', fields[16],
    '","orders":[', table.concat(eventParts, ','), ']}'})
  outboxValues[#outboxValues + 1] = count(batches)
  outboxValues[#outboxValues + 1] = data
  eventParts, eventBytes = {}, 0
end

-- Of the user as they were before this call, and as they are after what it has sold to them.
local function buyerOf(userId, before)
  local buyer = boughtBy[userId]
  if not buyer then
    if before then
      local firstAt, quantity = string.match(before, '^(%d+)|(%d+)$')
      buyer = {firstAt = firstAt, quantity = tonumber(quantity)}
    else
      buyer = {quantity = 0}
    end
    boughtBy[userId] = buyer
  end
  return buyer
end

local function sell(orderId, userId, quantity, traceparent)
  local at, buyer = number(acceptedAt), boughtBy[userId]
  buyer.firstAt = buyer.firstAt or at
  buyer.quantity = buyer.quantity + quantity
  left = left - quantity
  sold = sold + quantity
  local units, unitsText = takeUnits(quantity)
  -- One expression is one new text: a table of the parts would take longer than all else here.
  local part = '{"orderId":"' .. orderId .. '","userId":' .. cjson.encode(userId)
    .. ',"quantity":' .. count(quantity) .. ',"units":[' .. units
    .. '],"userFirstAt":' .. buyer.firstAt .. ',"userQuantity":' .. count(buyer.quantity)
    .. ',"sold":' .. count(sold)
    .. (traceparent ~= '' and ',"traceparent":' .. cjson.encode(traceparent) or '') .. '}'
  -- 300 bytes are enough for what stands around the orders of an event.
  if #eventParts >= tonumber(ARGV[4])
    or (#eventParts > 0 and eventBytes + #part + 1 + 300 > tonumber(ARGV[5])) then
    closeEvent()
  end
  if #eventParts == 0 then
    batches = batches + 1
    eventAt = at
  end
  eventParts[#eventParts + 1] = part
  eventBytes = eventBytes + #part + 1
  orderValues[#orderValues + 1] = orderId
  orderValues[#orderValues + 1] = 'accepted|' .. count(quantity) .. '|' .. count(batches)
    .. '|' .. at .. '|' .. unitsText .. '|' .. userId
  boughtNow[orderId] = quantity
  lastAt = acceptedAt
  acceptedAt = acceptedAt + 1
end

local function decide(orderId, userId, quantity, traceparent, order, buyer)
  local before = boughtNow[orderId]
    or (order and tonumber(string.match(order, '^%a+|(%d+)|')))
  if before then return before == quantity and 'replayed' or 'key_reused' end
  if closedFor then return closedFor end
  if buyerOf(userId, buyer).quantity + quantity > limit then return 'limit_reached' end
  if quantity > left then return 'sold_out' end
  sell(orderId, userId, quantity, traceparent)
  return 'accepted'
end

-- What is known of all of them, in two commands: one for each purchase would cost as much again.
local orderIds, userIds = {}, {}
for index = 8, #ARGV, 4 do
  orderIds[#orderIds + 1] = ARGV[index]
  userIds[#userIds + 1] = ARGV[index + 1]
end
if #orderIds > 0 then
  local ordersBefore = redis.call('HMGET', orders, unpack(orderIds))
  local buyersBefore = redis.call('HMGET', buyers, unpack(userIds))
  for index = 1, #orderIds do
    local at = 4 + index * 4
    outcomes[index] = decide(ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2]), ARGV[at + 3],
      ordersBefore[index], buyersBefore[index])
  end
end
closeEvent()

-- Fewer units are free than the sale says: it is not whole. Nothing has been written yet.
if freeIsShort then return {'missing'} end
if #outboxValues > 0 then
  for userId, buyer in pairs(boughtBy) do
    if buyer.firstAt then
      buyerValues[#buyerValues + 1] = userId
      buyerValues[#buyerValues + 1] = buyer.firstAt .. '|' .. count(buyer.quantity)
    end
  end
  redis.call('HSET', sale, 'left', count(left), 'sold', count(sold), 'free', freeRanges(),
    'batches', count(batches), 'last_at', number(lastAt),
    'outbox_batches', count(outboxLength + #outboxValues / 2))
  redis.call('HSET', orders, unpack(orderValues))
  redis.call('HSET', buyers, unpack(buyerValues))
  redis.call('HSET', outbox, unpack(outboxValues))
end
return {'decided', count(left), opensAt, outcomes, outboxValues, number(lastAt)}
