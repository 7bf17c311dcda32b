-- Puts more units of a sale on sale, up to an absolute number that MySQL holds already.
--
-- The new units are those from the sale's own stock on: asked again, or asked for less than the
-- sale has, it adds nothing. Buyers can go on buying right before and right after it.
--
-- KEYS  1 sale (HASH)
-- ARGV  1 generation  2 revision  3 incarnation  4 stock: units ever put on sale
--
-- Returns 'restocked', also where it has these units already; 'absent' where the sale is not
-- loaded or being rebuilt (it will be loaded with them); 'refused' where the caller's generation
-- or token is old.

local fields = redis.call('HMGET', KEYS[1], 'generation', 'revision', 'incarnation', 'state',
  'stock', 'left', 'free')
if not fields[4] or fields[4] == 'loading' then return 'absent' end
local revision, incarnation = tonumber(fields[2]), tonumber(fields[3])
if fields[1] ~= ARGV[1] or tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation) then
  return 'refused'
end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'incarnation', ARGV[3])

local stock, left, wanted = tonumber(fields[5]), tonumber(fields[6]), tonumber(ARGV[4])
if wanted <= stock then return 'restocked' end

local function number(value) return string.format('%.0f', value) end

-- The highest numbers of all: they come last, and prolong a range that ends right before them.
local free, last = fields[7], string.match(fields[7], '%-(%d+)$')
if last and tonumber(last) == stock then
  free = string.sub(free, 1, -#last - 1) .. number(wanted)
else
  local range = number(stock + 1) .. '-' .. number(wanted)
  free = free == '' and range or free .. ',' .. range
end
redis.call('HSET', KEYS[1], 'stock', number(wanted), 'left', number(left + wanted - stock),
  'free', free)
return 'restocked'
