"""The Lua scripts of the journal in Redis, which runs each atomically.

A script touches the keys of one session only, which a cluster keeps in one slot. Each changes a session only for the
gateway whose fencing token is the session's newest: a gateway that has lost the session can write nothing more.
"""

__all__ = ["ACQUIRE", "DELETE", "INTERRUPT", "SAVE_SINK", "SET_TEXT", "TAKEN", "WRITE"]

TAKEN = -1
"""What `WRITE` returns if another gateway owns the session."""

WRITE = """
-- KEYS: session, events
-- ARGV: fence; count of opening fields, these; 1 if there is a change, touched_s, language, is_complete, ended_s,
-- outcome, details; count of superseded events, their ids; then for each event: id, 1 if it is a final, message
local at = 0
local function take()
    at = at + 1
    return ARGV[at]
end

local fence, opening = take(), tonumber(take())
if redis.call('EXISTS', KEYS[1]) == 0 then
    if opening == 0 then
        return 0 -- it was deleted
    end
    redis.call('HSET', KEYS[1], 'fence', fence, unpack(ARGV, at + 1, at + opening))
elseif redis.call('HGET', KEYS[1], 'fence') ~= fence then
    return -1
end
at = at + opening

local is_changed, touched, language, is_complete = take(), take(), take(), take()
local ended, outcome, details = take(), take(), take()
if is_changed == '1' then
    redis.call('HSET', KEYS[1], 'touched_s', touched)
    if language ~= '' then redis.call('HSET', KEYS[1], 'language', language) end
    if details ~= '' then redis.call('HSET', KEYS[1], 'details', details) end
    if is_complete == '0' then redis.call('HSET', KEYS[1], 'is_complete', '0') end
    if ended == '' then
        redis.call('HDEL', KEYS[1], 'ended_s', 'outcome')
    else
        redis.call('HSET', KEYS[1], 'ended_s', ended, 'outcome', outcome)
    end
end
for _ = 1, tonumber(take()) do
    redis.call('XDEL', KEYS[2], take())
end
while at < #ARGV do
    local id, is_final, message = take(), take(), take()
    local added = redis.pcall('XADD', KEYS[2], id, 'm', message)
    if type(added) ~= 'table' or not added.err then
        if is_final == '1' then redis.call('HINCRBY', KEYS[1], 'finals', 1) end
    elseif not string.find(added.err, 'equal or smaller', 1, true) then
        return added -- else it was written before, and only the reply was lost
    end
end
return 1
"""

ACQUIRE = """
-- KEYS: session; ARGV: gateway; returns the new fencing token, or 0 if the session was deleted
if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end
redis.call('HSET', KEYS[1], 'gateway', ARGV[1])
return redis.call('HINCRBY', KEYS[1], 'fence', 1)
"""

INTERRUPT = """
-- KEYS: session; ARGV: fence, and touched_s, as they were when its owner was found to be gone
local now = redis.call('HMGET', KEYS[1], 'fence', 'touched_s', 'ended_s')
if now[1] == ARGV[1] and now[2] == ARGV[2] and not now[3] then
    redis.call('HSET', KEYS[1], 'ended_s', now[2], 'outcome', 'interrupted')
end
"""

SAVE_SINK = """
-- KEYS: session, sinks; ARGV: name, position
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
"""

DELETE = """
-- KEYS: session, events, tokens, text, sinks; returns 1 if it existed, then the SHA-256 of its view tokens
local deleted = redis.call('ZRANGE', KEYS[3], 0, -1)
table.insert(deleted, 1, redis.call('DEL', KEYS[1]))
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
return deleted
"""

SET_TEXT = """
-- KEYS: session, text; ARGV: number of its newest event, text
if redis.call('EXISTS', KEYS[1]) == 1 then
    redis.call('HSET', KEYS[2], 'seq', ARGV[1], 'text', ARGV[2])
end
"""
