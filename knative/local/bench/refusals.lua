-- wrk: purchases that are all refused, each by another user from another address: sold out, too
-- many for their product's limit, with a token of nobody, and for more than are left.
-- Arguments: file of tokens (one a line), how many, and the products that are sold out, limited,
-- and nearly sold out.

local tokens, count, index, soldOut, limited, nearly

function init(args)
  tokens = assert(io.open(args[1], 'rb'))
  count = tonumber(args[2])
  soldOut, limited, nearly = args[3], args[4], args[5]
  index = 0
end

function request()
  local token = tokens:read('*l')
  if token == nil then
    tokens:seek('set', 0)
    token = tokens:read('*l')
  end
  index = index + 1
  -- One out of step with the number of users: each comes to be refused in every way.
  local way = (index + math.floor(index / count)) % 4
  local product, quantity = soldOut, 1
  if way == 1 then product = limited end
  if way == 2 then token = token:sub(1, -9) .. 'AAAAAAAA' end
  if way == 3 then product, quantity = nearly, 2 end
  local user = index % count
  return 'POST /api/products/' .. product .. '/purchase HTTP/1.1\r\n'
    .. 'Host: bench\r\nAuthorization: Bearer ' .. token
    .. '\r\nX-Forwarded-For: 11.' .. math.floor(user / 65536) .. '.'
    .. math.floor(user / 256) % 256 .. '.' .. user % 256
    .. '\r\nIdempotency-Key: refused-' .. index
    .. '\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"quantity":'
    .. quantity .. '}'
end
