-- Tells what a sale refuses every new purchase with at this moment, and which of these purchases
-- it has accepted before. Changes nothing, so that anybody may ask.
--
-- It decides as `sell-4.lua` does, by the same clock, and only where that would decide at all: a
-- sale that this Redis process was not given, or not wholly, may have forgotten whom it accepted.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)
-- ARGV  order ids
--
-- Returns one of
--   {'unknown'}                      this Redis cannot tell
--   {'selling'}                      something may be sold
--   {outcome, opensAt, {place, …}}   everything is refused with this outcome, but for the order ids
--                                    at these places (from 1), which it knows

local sale, orders = KEYS[1], KEYS[2]
local fields = redis.call('HMGET', sale, 'state', 'run_id', 'replid', 'opens_at', 'closes_at',
  'left', 'sold')
local state, opensAt, closesAt = fields[1], fields[4], fields[5]

if not state or state == 'loading' then return {'unknown'} end
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
if string.match(info, 'run_id:(%x+)') ~= fields[2]
  or string.match(info, 'master_replid:(%x+)') ~= fields[3] then
  return {'unknown'}
end
if tonumber(fields[7]) > 0 and redis.call('EXISTS', orders) == 0 then return {'unknown'} end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local outcome
if state == 'paused' then
  outcome = 'paused'
elseif state == 'closed' or (closesAt ~= '' and now >= tonumber(closesAt)) then
  outcome = 'ended'
elseif opensAt == '' or now < tonumber(opensAt) then
  outcome = 'not_open'
elseif tonumber(fields[6]) == 0 then
  outcome = 'sold_out'
else
  return {'selling'}
end

local known = {}
for place, order in ipairs(redis.call('HMGET', orders, unpack(ARGV))) do
  if order then known[#known + 1] = place end
end
return {outcome, opensAt, known}
