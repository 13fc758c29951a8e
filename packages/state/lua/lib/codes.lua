-- The bytes of an outcome vector: five bits of code, three bits of posts. Codes and classes match the table in the
-- domain package (packages/domain/src/vector.ts); a test compares the two.

local CLASS = {
  [0] = 'pending', 'pending', 'pending', 'pending', 'pending', 'pending', 'pending', 'accepted', 'dropped', 'dead',
  'dead', 'rejected', 'rejected', 'rejected', 'rejected', 'rejected', 'failed', 'failed', 'failed', 'failed', 'failed',
  'suppressed', 'suppressed', 'gated', 'unregistered', 'cancelled', 'lapsed', 'in_doubt', 'pending', 'failed', 'rejected',
  'rejected'
}
local PENDING, CREDITED, RETRY1, ACCEPTED, ROTATED, FAILED_ROTATED = 0, 1, 2, 7, 28, 29
local DEAD_FIRST, DEAD_LAST, POISON, IN_DOUBT = 9, 10, 20, 27
local SUPPRESSED_GUARD, SUPPRESSED_OPT_OUT, GATED, UNREGISTERED, CANCELLED, LAPSED = 21, 22, 23, 24, 25, 26
local FAILED_NO_ANSWER = 18
local BAD_REQUEST, TOO_LARGE = 11, 13
-- A credited recipient, and a byte without a known code (nil if every code is known), for each number of posts.
local CREDITED_BYTES = '[\1\33\65\97\129\161\193\225]'
local UNKNOWN_BYTES = nil

local floor, byte, char, sub = math.floor, string.byte, string.char, string.sub

local function code_of(b) return b % 32 end
local function posts_of(b) return floor(b / 32) end
local function byte_of(code, posts)
  if posts > 7 then posts = 7 end
  return posts * 32 + code
end
local function is_pending(b) return CLASS[b % 32] == 'pending' end

-- The code of the recipients that a campaign in a final state leaves unsent, or nil while it may still send.
local function stop_code(state)
  if state == 'expired' then return LAPSED end
  if state == 'cancelled' or state == 'halted' then return CANCELLED end
  return nil
end

local function unpack_bytes(text, n) return { byte(text, 1, n) } end
local function pack_bytes(list) return char(unpack(list)) end

-- Four bytes, big endian; 0 past the end of the text.
local function int4(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  if not d then return 0 end
  return ((a * 256 + b) * 256 + c) * 256 + d
end
local function pack4(n) return struct.pack('>I4', n) end

-- A table class → count as a flat list {class, count, …}, for a reply.
local function list_of(counts)
  local list = {}
  for class, count in pairs(counts) do list[#list + 1] = class; list[#list + 1] = count end
  return list
end
