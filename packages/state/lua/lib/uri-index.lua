-- Which channel has a URI: hashes `uris:<bucket>`, fingerprint → ordinal of the newest channel with that URI.
-- 46 bits of a SHA-1 identify a URI: 15 choose the bucket, 31 are the field. Redis keeps such an entry in a listpack in
-- 11 bytes. Two URIs with the same 46 bits share one entry, which then names the newer channel only; so a reader of the
-- index compares the URI that the channel has.

local URI_BUCKETS, URI_FIELDS = 32768, 2147483648

local function uri_entry(base, uri)
  local hash = redis.sha1hex(uri)
  local bucket = tonumber(string.sub(hash, 1, 4), 16) % URI_BUCKETS
  return base .. 'uris:' .. bucket, tonumber(string.sub(hash, 5, 12), 16) % URI_FIELDS
end

-- The channel with this ordinal gave up the URI.
local function forget_uri(base, uri, ordinal)
  if not uri or uri == '' then return end
  local bucket, field = uri_entry(base, uri)
  if tonumber(redis.call('HGET', bucket, field)) == ordinal then redis.call('HDEL', bucket, field) end
end
