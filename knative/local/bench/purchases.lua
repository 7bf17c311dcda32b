-- wrk: purchases as buyers send them, each by a user of its own with a key of its own.
-- Arguments: file of tokens (one a line, all equally long), how many, the first to use (from 0),
-- what the keys begin with, and the products, each in its turn.

local tokens, count, index, key, products

function init(args)
  tokens = assert(io.open(args[1], 'rb'))
  count = tonumber(args[2])
  index = tonumber(args[3])
  key = args[4]
  products = {}
  for place = 5, #args do products[#products + 1] = args[place] end
  local bytes = #tokens:read('*l') + 1
  tokens:seek('set', (index % count) * bytes)
end

function request()
  local token = tokens:read('*l')
  if token == nil then
    tokens:seek('set', 0)
    token = tokens:read('*l')
  end
  index = index + 1
  return 'POST /api/products/' .. products[index % #products + 1] .. '/purchase HTTP/1.1\r\n'
    .. 'Host: bench\r\nAuthorization: Bearer ' .. token
    .. '\r\nIdempotency-Key: ' .. key .. index
    .. '\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"quantity":1}'
end
