-- Removes a claimed sale that will not be loaded: it was settled meanwhile, and MySQL has all of
-- it.
--
-- KEYS  1 sale (HASH)  2 orders (HASH)  3 buyers (HASH)  4 outbox (HASH)
-- ARGV  1 claim
--
-- Returns 'removed', or 'refused' where the claim is no longer ours.

if redis.call('HGET', KEYS[1], 'claim') ~= ARGV[1] then return 'refused' end
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
return 'removed'
