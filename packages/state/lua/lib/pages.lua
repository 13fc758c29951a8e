-- needs: codes
-- Pages of the frozen audience: a bitmap over ordinals, 512 to a page.

local PAGE = 512

-- The slots of a page whose recipients are in the campaign's frozen audience, in order.
local function slots_of(campaign, page)
  local bits = redis.call('GETRANGE', campaign .. ':targets', page * 64, page * 64 + 63)
  local slots, count = {}, 0
  for at = 1, #bits do
    local v = byte(bits, at)
    if v ~= 0 then
      local slot, weight = at * 8 - 8, 128
      while v > 0 do
        if v >= weight then
          v = v - weight
          count = count + 1
          slots[count] = slot
        end
        slot, weight = slot + 1, weight / 2
      end
    end
  end
  return slots
end
