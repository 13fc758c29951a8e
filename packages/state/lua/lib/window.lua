-- How much credit a batch may have.

-- Maximum credit while a campaign has few answers: if WNS rejects every post of it, only a few posts are spent on that.
local function ramp(answers) return answers < 256 and 32 or 256 end

-- A batch that lost three owners in a row, each after settling little, may hold a recipient that crashes its owner.
local function is_suspected(losses) return losses >= 3 end

-- The window of an open. A suspect batch starts with one credit and gains one with each recipient that the open
-- settles (slow start). The window at most doubles with each checkpoint, so a recipient that crashes its owner is among
-- no more recipients than were settled before it got credit, plus one.
local function window_of(losses, settled, window)
  if not is_suspected(losses) then return window end
  return math.min(window, settled + 1)
end
