-- One look at a sale, all of it of one moment: its fields, how much there is of everything else,
-- and what this Redis says of itself. It takes as long for a million orders as for one.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)  3 buyers (HASH)  4 outbox (HASH)
-- ARGV  1 generation  2 revision  3 incarnation of who holds the lock; none: whoever looks
--
-- Returns {'refused'} where the caller's token or generation is old, or the sale is not there or
--   being rebuilt; else
--   {'seen', {field, value, …}, orders, buyers, {batch number, …}, a batch of the lowest number or '',
--    {seconds, microseconds}, {run id, replication id, eviction policy, '1' where it keeps an AOF}}

local sale, orders, buyers, outbox = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if ARGV[1] then
  local fields = redis.call('HMGET', sale, 'generation', 'revision', 'incarnation', 'state')
  if not fields[4] or fields[4] == 'loading' or fields[1] ~= ARGV[1] then return {'refused'} end
  local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
  if tonumber(ARGV[2]) < revision
    or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
    return {'refused'}
  end
end

local numbers, lowest = redis.call('HKEYS', outbox), nil
for _, number in ipairs(numbers) do
  if not lowest or tonumber(number) < tonumber(lowest) then lowest = number end
end
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
  .. redis.call('INFO', 'memory') .. redis.call('INFO', 'persistence')
return {'seen', redis.call('HGETALL', sale), redis.call('HLEN', orders), redis.call('HLEN', buyers),
  numbers, lowest and redis.call('HGET', outbox, lowest) or '', redis.call('TIME'),
  {string.match(info, 'run_id:(%x+)'), string.match(info, 'master_replid:(%x+)'),
    string.match(info, 'maxmemory_policy:([%w-]+)') or '', string.match(info, 'aof_enabled:(%d)') or ''}}
