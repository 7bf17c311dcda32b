-- Takes tokens from buckets, and gives back to them what a later tier refused.
--
-- A bucket holds at most `capacity` tokens and gains `rate` tokens a second, by Redis' own clock.
-- Levels are whole micro-tokens: a rate of r tokens a second is r micro-tokens a microsecond, so
-- nothing is ever rounded, and what was granted never exceeds capacity + rate * time.
-- A bucket that is not there is full: it is kept until it would be.
--
-- KEYS  1.. one bucket each (STRING '<micro-tokens> <since, epoch microseconds>'), no key twice
-- ARGV  for each bucket: rate (tokens a second), capacity (tokens), tokens given back and wanted
--
-- Returns for each bucket: tokens granted (0 to wanted), micro-tokens left

local micro = 1000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * micro + tonumber(time[2])
local stored = redis.call('MGET', unpack(KEYS))
local answer = {}

for index, key in ipairs(KEYS) do
  local first = (index - 1) * 4
  local rate = tonumber(ARGV[first + 1])
  local capacity = tonumber(ARGV[first + 2]) * micro
  local given = tonumber(ARGV[first + 3]) * micro
  local wanted = tonumber(ARGV[first + 4])

  local level = capacity
  if stored[index] then
    local left, since = string.match(stored[index], '^(%d+) (%d+)$')
    -- A clock that was set back earns nothing until it is counted from where it is now.
    local elapsed = math.max(0, now - tonumber(since))
    level = tonumber(left) + rate * elapsed
  end
  level = math.min(capacity, level + given)

  local granted = math.min(wanted, (level - level % micro) / micro)
  level = level - granted * micro

  if level < capacity then
    -- A second longer than it takes to fill: expiry is counted in milliseconds, from another
    -- reading of the clock than `now`.
    local keptMs = math.ceil((capacity - level) / rate / 1000) + 1000
    redis.call('SET', key, string.format('%.0f %.0f', level, now),
      'PX', string.format('%.0f', keptMs))
  elseif stored[index] then
    redis.call('DEL', key)
  end
  answer[2 * index - 1] = granted
  answer[2 * index] = level
end

return answer
