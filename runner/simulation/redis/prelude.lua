-- What surrounds a script in Redis: its globals, how its errors are told, and cjson.
--
-- Takes the Python functions for redis.call, redis.pcall, redis.sha1hex, cjson.decode and cjson.encode: a script's
-- errors name its own line only where it calls no function of Lua. Then one that returns an exception's text, and
-- whether it is a command's error.
-- Returns a table of what Python calls.
--
-- Keeps: a script sees nothing of Python but those functions, and leaves nothing behind for the next one. There is no
-- math.random, bit, struct or cmsgpack.
local python_call, python_pcall, sha1hex, python_decode, python_encode, text_of = ...
local getinfo = debug.getinfo

-- Since Redis 7.0 an error is a table.
local modern = true
local LONGEST = 7000

local function raised(err)
  if type(err) ~= 'userdata' then
    return err
  end
  local text, of_command = text_of(err)
  return modern and of_command and { err = text } or text
end

-- What a protected call returns of an error: since 7.0 its text, even where the error is a table.
local function caught(err)
  err = raised(err)
  return modern and type(err) == 'table' and err.err or err
end

local function after_call(ok, ...)
  if ok then
    return true, ...
  end
  return false, caught((...))
end

local visible = { KEYS = {}, ARGV = {}, _VERSION = _VERSION }
-- A script's environment is empty, so that each write and each unknown name is noticed.
local globals = {}
for name in
  ('assert collectgarbage coroutine error getmetatable ipairs load loadstring next pairs rawequal rawget rawset '
    .. 'select setmetatable string table tonumber tostring type unpack'):gmatch('%S+')
do
  visible[name] = _G[name]
end
visible._G = globals
visible.math = {}
for name, value in pairs(math) do
  visible.math[name] = value
end
visible.math.random, visible.math.randomseed = nil, nil
visible.pcall = function(...)
  return after_call(pcall(...))
end
visible.xpcall = function(f, handler)
  return xpcall(f, function(err)
    return handler(raised(err))
  end)
end

local function coded(text)
  if type(text) ~= 'string' then
    return 'ERR wrong number or type of arguments'
  end
  if not modern then
    return text
  end
  text = text:gsub('^%-', '')
  return text:find(' ', 1, true) and text or 'ERR ' .. text
end
visible.redis = {
  call = python_call,
  pcall = python_pcall,
  sha1hex = sha1hex,
  error_reply = function(text)
    return { err = coded(text) }
  end,
  status_reply = function(text)
    return type(text) == 'string' and { ok = text } or { err = coded(text) }
  end,
  log = function() end,
  replicate_commands = function()
    return true
  end,
  LOG_DEBUG = 0,
  LOG_VERBOSE = 1,
  LOG_NOTICE = 2,
  LOG_WARNING = 3,
}
local function undefined_global(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

local function new_global()
  error('Attempt to modify a readonly table', 2)
end

local function compile(text)
  local script, err = loadstring(text, '@user_script')
  if not script then
    return nil, err
  end
  return setfenv(script, globals)
end

-- {'list', items…}, {'error', text}, {'status', text}, or {'long', length} for a list that is too long to unpack.
local function parts(reply)
  local err, ok = rawget(reply, 'err'), rawget(reply, 'ok')
  if type(err) == 'string' then
    return 'error', err
  elseif type(ok) == 'string' then
    return 'status', ok
  end
  local length = 0
  while reply[length + 1] ~= nil do
    length = length + 1
  end
  if length > LONGEST then
    return 'long', length, reply
  end
  return 'list', unpack(reply, 1, length)
end

local function located(err)
  local at = getinfo(2, 'nSlf')
  if at and at.what == 'C' then
    at = getinfo(3, 'nSlf')
    if at.func == undefined_global or at.func == new_global then
      at = getinfo(4, 'nSl')
    end
  end
  err = raised(err)
  if not modern and type(err) ~= 'string' and type(err) ~= 'number' then
    local text = "err_handler_def:9: attempt to concatenate local 'err' (a " .. type(err) .. ' value)'
    return { text, '@err_handler_def', 9 }
  elseif type(err) == 'table' then
    err = type(err.err) == 'string' and err.err or 'ERR unknown error'
  else
    err = (modern and 'ERR ' or '') .. tostring(err)
  end
  return { err, at and at.source, at and at.currentline }
end

local function run(f, keys, argv, is_modern)
  modern = is_modern
  visible.KEYS = keys
  visible.ARGV = argv
  local ok, value = xpcall(f, located)
  if not ok then
    return 'raised', value[1], value[2], value[3]
  elseif type(value) == 'table' then
    return parts(value)
  end
  return 'value', value
end

local function table_of(...)
  return { ... }
end

local function status(text)
  return { ok = text }
end

-- Where the script is that called the Python function that asks.
local function where()
  local at = getinfo(3, 'nSl')
  return at.source, at.currentline
end

-- cjson, as Redis has it: numbers with 14 digits, at most 1000 levels.

local null = newproxy()
local DEEPEST = 1000
local ESCAPED = { ['"'] = '\\"', ['\\'] = '\\\\', ['/'] = '\\/', ['\b'] = '\\b', ['\t'] = '\\t', ['\n'] = '\\n' }
ESCAPED['\f'], ESCAPED['\r'] = '\\f', '\\r'
local UNESCAPED = { b = '\b', t = '\t', n = '\n', f = '\f', r = '\r', ['"'] = '"', ['\\'] = '\\', ['/'] = '/' }

local function utf8(code)
  if code < 0x80 then
    return string.char(code)
  elseif code < 0x800 then
    return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return string.char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return string.char(
    0xF0 + math.floor(code / 0x40000),
    0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

local TOKENS = {
  ['{'] = 'T_OBJ_BEGIN',
  ['}'] = 'T_OBJ_END',
  ['['] = 'T_ARR_BEGIN',
  [']'] = 'T_ARR_END',
  [':'] = 'T_COLON',
  [','] = 'T_COMMA',
  ['"'] = 'T_STRING',
}

local function token_at(text, at)
  if at > #text then
    return 'T_END'
  elseif text:match('^true', at) or text:match('^false', at) then
    return 'T_BOOLEAN'
  elseif text:match('^null', at) then
    return 'T_NULL'
  end
  return TOKENS[text:sub(at, at)] or (text:match('^[-+]?%d', at) and 'T_NUMBER') or 'invalid token'
end

local function wrong(wanted, text, at, found)
  error('Expected ' .. wanted .. ' but found ' .. (found or token_at(text, at)) .. ' at character ' .. at, 0)
end

local function hex(text, pattern, at)
  local digits = text:match(pattern, at)
  return digits and tonumber(digits, 16)
end

local function unicode(text, at)
  local code = hex(text, '^%x%x%x%x', at)
  if code and (code < 0xD800 or code >= 0xE000) then
    return utf8(code), at + 4
  end
  local low = code and code < 0xDC00 and hex(text, '^\\u(%x%x%x%x)', at + 4)
  if not low or low < 0xDC00 or low >= 0xE000 then
    wrong('value', text, at - 2, 'invalid unicode escape code')
  end
  return utf8(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), at + 10
end

local function read_string(text, at)
  local pieces = {}
  while true do
    local stop = text:find('["\\%z]', at)
    if not stop or text:byte(stop) == 0 then
      wrong('value', text, stop or #text + 1, 'unexpected end of string')
    end
    pieces[#pieces + 1] = text:sub(at, stop - 1)
    if text:sub(stop, stop) == '"' then
      return table.concat(pieces), stop + 1
    end
    local letter = text:sub(stop + 1, stop + 1)
    at = stop + 2
    if letter == 'u' then
      pieces[#pieces + 1], at = unicode(text, at)
    elseif UNESCAPED[letter] then
      pieces[#pieces + 1] = UNESCAPED[letter]
    else
      wrong('value', text, stop, 'invalid escape code')
    end
  end
end

local function read_number(text, at)
  local lower = text:sub(at, at + 400):lower()
  local found = lower:match('^[-+]?0x%x+')
    or lower:match('^[-+]?infinity')
    or lower:match('^[-+]?inf')
    or lower:match('^[-+]?nan')
  if not found then
    local mantissa = lower:match('^[-+]?%d+%.?%d*')
    found = mantissa and mantissa .. (lower:match('^e[-+]?%d+', #mantissa + 1) or '')
  end
  if not found then
    wrong('value', text, at, lower:match('^[-+]') and 'invalid number')
  end
  return tonumber(found), at + #found
end

local function skip(text, at)
  return text:find('[^ \t\r\n]', at) or #text + 1
end

local LITERALS = { { 'true', true }, { 'false', false }, { 'null', null } }
local read_value

local function read_array(text, at, depth)
  local found = {}
  at = skip(text, at)
  if text:sub(at, at) == ']' then
    return found, at + 1
  end
  for i = 1, math.huge do
    found[i], at = read_value(text, at, depth)
    at = skip(text, at)
    local next = text:sub(at, at)
    if next == ']' then
      return found, at + 1
    elseif next ~= ',' then
      wrong('comma or array end', text, at)
    end
    at = at + 1
  end
end

local function read_object(text, at, depth)
  local found = {}
  at = skip(text, at)
  if text:sub(at, at) == '}' then
    return found, at + 1
  end
  while true do
    at = skip(text, at)
    if text:sub(at, at) ~= '"' then
      wrong('object key string', text, at)
    end
    local key
    key, at = read_string(text, at + 1)
    at = skip(text, at)
    if text:sub(at, at) ~= ':' then
      wrong('colon', text, at)
    end
    found[key], at = read_value(text, at + 1, depth)
    at = skip(text, at)
    local next = text:sub(at, at)
    if next == '}' then
      return found, at + 1
    elseif next ~= ',' then
      wrong('comma or object end', text, at)
    end
    at = at + 1
  end
end

function read_value(text, at, depth)
  at = skip(text, at)
  local first = text:sub(at, at)
  if first == '"' then
    return read_string(text, at + 1)
  elseif first == '{' or first == '[' then
    if depth >= DEEPEST then
      error('Found too many nested data structures (' .. depth + 1 .. ') at character ' .. at, 0)
    end
    return (first == '{' and read_object or read_array)(text, at + 1, depth + 1)
  end
  for _, literal in ipairs(LITERALS) do
    if text:sub(at, at + #literal[1] - 1) == literal[1] then
      return literal[2], at + #literal[1]
    end
  end
  return read_number(text, at)
end

local function decode(...)
  local text = ...
  if select('#', ...) ~= 1 then
    error("bad argument #1 to 'decode' (expected 1 argument)", 0)
  elseif type(text) ~= 'string' and type(text) ~= 'number' then
    error("bad argument #1 to 'decode' (string expected, got " .. type(text) .. ')', 0)
  end
  text = tostring(text)
  local value, at = read_value(text, 1, 0)
  at = skip(text, at)
  if at <= #text then
    wrong('the end', text, at)
  end
  return value
end

local function quoted(text)
  return '"'
    .. text:gsub('[%z\1-\31"\\/\127]', function(letter)
      return ESCAPED[letter] or string.format('\\u%04x', letter:byte())
    end)
    .. '"'
end

local function number_text(number)
  if number ~= number or number == math.huge or number == -math.huge then
    error('Cannot serialise number: must not be NaN or Inf', 0)
  end
  return string.format('%.14g', number)
end

-- The length of an array; nil if it is an object.
local function length_of(value)
  local most, items = 0, 0
  for key in pairs(value) do
    if type(key) ~= 'number' or key < 1 or key ~= math.floor(key) then
      return nil
    end
    most, items = math.max(most, key), items + 1
  end
  if most > 10 and most > items * 2 then
    error('Cannot serialise table: excessively sparse array', 0)
  end
  return most > 0 and most or nil
end

local encoded

local function encoded_table(value, depth)
  if depth > DEEPEST then
    error('Cannot serialise, excessive depth (' .. depth .. ')', 0)
  end
  local pieces, length = {}, length_of(value)
  if length then
    for i = 1, length do
      pieces[i] = encoded(value[i], depth)
    end
    return '[' .. table.concat(pieces, ',') .. ']'
  end
  for key, item in pairs(value) do
    if type(key) == 'number' then
      key = '"' .. number_text(key) .. '"'
    elseif type(key) == 'string' then
      key = quoted(key)
    else
      error('Cannot serialise ' .. type(key) .. ': table key must be a number or string', 0)
    end
    pieces[#pieces + 1] = key .. ':' .. encoded(item, depth)
  end
  return '{' .. table.concat(pieces, ',') .. '}'
end

function encoded(value, depth)
  local kind = type(value)
  if kind == 'string' then
    return quoted(value)
  elseif kind == 'number' then
    return number_text(value)
  elseif kind == 'boolean' then
    return tostring(value)
  elseif kind == 'table' then
    return encoded_table(value, depth + 1)
  elseif value == nil or value == null then
    return 'null'
  end
  error('Cannot serialise ' .. kind .. ': type not supported', 0)
end

local function encode(value)
  return encoded(value, 0)
end
visible.cjson = { decode = python_decode, encode = python_encode, null = null }

setmetatable(visible, { __index = undefined_global })
setmetatable(globals, { __index = visible, __newindex = new_global })
return {
  compile = compile,
  run = run,
  parts = parts,
  table_of = table_of,
  status = status,
  where = where,
  decode = function(...)
    return pcall(decode, ...)
  end,
  encode = function(value)
    return pcall(encode, value)
  end,
}
