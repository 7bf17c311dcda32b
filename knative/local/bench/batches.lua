-- wrk: signed batches, as the edge sends them to `purchase`.
-- Arguments: the path, and a file that holds a signature and a body, line by line, for each batch.

local path, batches

function init(args)
  path = args[1]
  batches = assert(io.open(args[2], 'rb'))
end

function request()
  local signature = batches:read('*l')
  if signature == nil then
    batches:seek('set', 0)
    signature = batches:read('*l')
  end
  local body = batches:read('*l')
  return 'POST ' .. path .. ' HTTP/1.1\r\nHost: bench\r\nX-Seckill-Signature: ' .. signature
    .. '\r\nContent-Type: application/json\r\nContent-Length: ' .. #body .. '\r\n\r\n' .. body
end
