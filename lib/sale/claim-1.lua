-- Claims a sale for a rebuild: from here on nothing is sold or acknowledged by anybody until the
-- last chunk is loaded (`load-4.lua`).
--
-- KEYS  1 sale (HASH)
-- ARGV  1 claim: a name for this rebuild that nobody else uses
--
-- Returns 'claimed'
--
-- The caller has just seen, by a linearizable read, that etcd holds it for the owner of the lock;
-- so its word counts even where its token looks old (an etcd replaced by an empty one starts its
-- revisions again; decision 6).

redis.call('HSET', KEYS[1], 'state', 'loading', 'claim', ARGV[1])
return 'claimed'
