// The shipped Lua files in a real Lua 5.1 (PUC-Lua as WebAssembly), with Redis' `redis.call` and
// `cjson.encode`. Compared with a real Redis by `lua-engine.integration.test.ts`.

import { Lua } from 'wasmoon-lua5.1';
import type { Reply } from './redis-data.ts';

export type RunCommand = (name: string, args: readonly string[]) => Reply;

export interface LuaEngine {
  /** Runs a script as EVAL does. Throws the script's error. */
  run(script: string, keys: readonly string[], args: readonly string[], command: RunCommand): Reply;
}

/** Values cross the border as text: kind and content, one after the other. */
const separator = '\u001f';

const prelude = `
local call = __call
local function decode(text)
  local values, count = {}, 0
  for kind, content in string.gmatch(text, '(.)([^\\31]*)\\31') do
    count = count + 1
    if kind == 's' then values[count] = content
    elseif kind == 'i' then values[count] = tonumber(content)
    else values[count] = false end
  end
  return values
end
local function texts(values, count)
  local parts = {}
  for index = 1, count do
    local value = values[index]
    if type(value) == 'number' then value = string.format('%.17g', value) end
    if type(value) ~= 'string' then error('Lua redis() command arguments must be strings') end
    parts[index] = value
  end
  return table.concat(parts, '\\31')
end
redis = {}
function redis.call(...)
  local reply = call(texts({...}, select('#', ...)))
  local kind, rest = string.sub(reply, 1, 1), string.sub(reply, 2)
  if kind == 'a' then return decode(rest) end
  if kind == 'e' then error(rest, 0) end
  return decode(reply)[1]
end
cjson = {}
local escapes = {['"'] = '\\\\"', ['\\\\'] = '\\\\\\\\', ['/'] = '\\\\/', ['\\b'] = '\\\\b',
  ['\\f'] = '\\\\f', ['\\n'] = '\\\\n', ['\\r'] = '\\\\r', ['\\t'] = '\\\\t'}
function cjson.encode(text)
  return '"' .. string.gsub(text, '[%c"\\\\/\\127]', function(character)
    return escapes[character] or string.format('\\\\u%04x', string.byte(character))
  end) .. '"'
end
local function encode(value, parts)
  local kind = type(value)
  if kind == 'string' then parts[#parts + 1] = 's' .. value
  elseif kind == 'number' then
    parts[#parts + 1] = 'i' .. string.format('%.0f', value < 0 and math.ceil(value) or math.floor(value))
  elseif kind == 'boolean' then parts[#parts + 1] = value and 'i1' or 'n'
  elseif kind == 'table' then
    parts[#parts + 1] = 'a' .. #value
    for index = 1, #value do encode(value[index], parts) end
  else parts[#parts + 1] = 'n' end
end
local function listOf(text)
  local list = {}
  for item in string.gmatch(text, '([^\\31]*)\\31') do list[#list + 1] = item end
  return list
end
local scripts = {}
function __define(name, source)
  scripts[name] = assert(loadstring('local KEYS, ARGV = ...\\n' .. source, name))
end
function __run(name, keys, args)
  local ok, result = pcall(scripts[name], listOf(keys), listOf(args))
  if not ok then return 'e' .. tostring(result) end
  local parts = {}
  encode(result, parts)
  return table.concat(parts, '\\31')
end
`;

let shared: Promise<LuaEngine> | undefined;

/** One engine for all: scripts keep nothing between their runs. */
export function luaEngine(): Promise<LuaEngine> {
  shared ??= create();
  return shared;
}

async function create(): Promise<LuaEngine> {
  const lua = await Lua.create();
  const names = new Map<string, string>();
  let command: RunCommand = () => null;
  const context = lua.ctx as Record<string, unknown>;
  context['__call'] = (request: string) => {
    const [name = '', ...args] = request.split(separator);
    try {
      return encodeReply(command(name, args));
    } catch (error) {
      return `e${(error as Error).message}`;
    }
  };
  lua.doStringSync(prelude);
  const define = context['__define'] as (name: string, source: string) => void;
  const run = context['__run'] as (name: string, keys: string, args: string) => string;
  const nameOf = (script: string) => {
    let name = names.get(script);
    if (name === undefined) {
      name = `script${names.size}`;
      define(name, script);
      names.set(script, name);
    }
    return name;
  };
  return {
    run(script, keys, args, runCommand) {
      command = runCommand;
      const list = (items: readonly string[]) => items.map((item) => item + separator).join('');
      const reply = run(nameOf(script), list(keys), list(args));
      if (reply.startsWith('e')) throw new Error(reply.slice(1));
      return decodeReply(reply.split(separator));
    },
  };
}

function encodeReply(reply: Reply): string {
  if (Array.isArray(reply)) return `a${reply.map((item) => encodeReply(item)).join('')}`;
  if (reply === null) return `n${separator}`;
  return `${typeof reply === 'number' ? 'i' : 's'}${reply}${separator}`;
}

function decodeReply(tokens: string[]): Reply {
  const token = tokens.shift() ?? 'n';
  const content = token.slice(1);
  switch (token[0]) {
    case 's':
      return content;
    case 'i':
      return Number(content);
    case 'a':
      return Array.from({ length: Number(content) }, () => decodeReply(tokens));
    default:
      return null;
  }
}
