-- Takes tokens from buckets: a request gets one of each of its buckets, or none of any. Before
-- that it gives back to buckets what a later call has refused.
--
-- A bucket holds at most `capacity` tokens and gains `rate` tokens a second, by Redis' own clock.
-- Levels are whole micro-tokens: a rate of r tokens a second is r micro-tokens a microsecond, so
-- nothing is ever rounded, and what was granted never exceeds capacity + rate * time.
-- A bucket that is not there is full: it is kept until it would be, and somewhat longer. For a
-- second after a change instances may count by different limits: what is full for one of them is
-- not for another.
--
-- Never more is given back than was taken: a call that reaches Redis twice gives once. On a Redis
-- Cluster clients send again what a lost connection has left unanswered.
--
-- A changed limit counts for a bucket from its last call on: from then until now it has earned
-- what it earns now. What was granted stays within the largest limit that was in force.
--
-- KEYS  1.. one bucket each (STRING '<micro-tokens> <since, epoch microseconds>'), no key twice;
--       where tokens are given back, last the note of who gives (STRING, its last number)
-- ARGV  1 how many requests
--       2 the number of this call among those of who gives back, counted up; 0 where none is
--       then for each bucket: rate (tokens a second), capacity (tokens), tokens given back
--       then for each request, first come first served, and all of equal length: which of KEYS
--       are its buckets, each once, in the order of the tiers
--
-- Returns for each request 0 where it was granted, else which of its buckets (from 1) was the
-- first without a token; then for each bucket the micro-tokens left

local micro = 1000000
-- Longer than instances may differ about a limit.
local fullKeptMs = 2000
-- Longer than a client goes on to send anything again.
local noteKeptMs = 60000
local time = redis.call('TIME')
local now = tonumber(time[1]) * micro + tonumber(time[2])
local requests, giving = tonumber(ARGV[1]), tonumber(ARGV[2])
local buckets = giving > 0 and #KEYS - 1 or #KEYS
local stored = redis.call('MGET', unpack(KEYS))
local rates, capacities, levels = {}, {}, {}

local isRepeated = false
if giving > 0 then
  local last = stored[#KEYS]
  isRepeated = last and giving <= tonumber(last)
  if not isRepeated then redis.call('SET', KEYS[#KEYS], giving, 'PX', noteKeptMs) end
end

for index = 1, buckets do
  local first = 3 + (index - 1) * 3
  local rate = tonumber(ARGV[first])
  local capacity = tonumber(ARGV[first + 1]) * micro
  local given = isRepeated and 0 or tonumber(ARGV[first + 2]) * micro

  local level = capacity
  if stored[index] then
    local left, since = string.match(stored[index], '^(%d+) (%d+)$')
    -- A clock that was set back earns nothing until it is counted from where it is now.
    local elapsed = math.max(0, now - tonumber(since))
    level = tonumber(left) + rate * elapsed
  end
  rates[index], capacities[index] = rate, capacity
  levels[index] = math.min(capacity, level + given)
end

local answer = {}
local places = 3 + buckets * 3
local each = (#ARGV - places + 1) / requests
for request = 1, requests do
  local first = places + (request - 1) * each
  local refusing = 0
  for tier = 1, each do
    if levels[tonumber(ARGV[first + tier - 1])] < micro then
      refusing = tier
      break
    end
  end
  if refusing == 0 then
    for place = first, first + each - 1 do
      local index = tonumber(ARGV[place])
      levels[index] = levels[index] - micro
    end
  end
  answer[request] = refusing
end

-- As text. Those who come for the first time have equal levels, and to write a number takes long.
local texts = {}
local function number(value)
  local text = texts[value] or string.format('%.0f', value)
  texts[value] = text
  return text
end

for index = 1, buckets do
  local key, level, capacity = KEYS[index], levels[index], capacities[index]
  if level < capacity or stored[index] then
    local keptMs = math.ceil((capacity - level) / rates[index] / 1000) + fullKeptMs
    redis.call('SET', key, number(level) .. ' ' .. number(now), 'PX', number(keptMs))
  end
  answer[requests + index] = level
end

return answer
