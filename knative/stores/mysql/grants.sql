-- What each user may do, table by table: nobody who writes orders can delete one, and nobody but
-- `migrate` can change a table. knative/stores/least-rights.integration.test.ts runs a sale with it.

-- Sales and their changes. The audit log (operations) and the ledger (stock_movements) can only be
-- added to; an order's status can be changed, and its buyer be erased.
GRANT SELECT, INSERT, UPDATE ON seckill.products TO 'purchase'@'%';
GRANT SELECT, UPDATE (status, reason, user_id) ON seckill.orders TO 'purchase'@'%';
GRANT SELECT, DELETE ON seckill.order_units TO 'purchase'@'%';
GRANT SELECT, INSERT ON seckill.stock_movements TO 'purchase'@'%';
GRANT SELECT, INSERT ON seckill.operations TO 'purchase'@'%';
GRANT SELECT, INSERT, UPDATE ON seckill.generations TO 'purchase'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON seckill.dead_letter_decisions TO 'purchase'@'%';
GRANT SELECT ON seckill.migrations TO 'purchase'@'%';

-- Rows of orders, their units, and the stock that they take.
GRANT SELECT, UPDATE ON seckill.products TO 'persist-order'@'%';
GRANT SELECT, INSERT ON seckill.orders TO 'persist-order'@'%';
GRANT SELECT, INSERT ON seckill.order_units TO 'persist-order'@'%';
GRANT SELECT, INSERT, UPDATE ON seckill.stock_movements TO 'persist-order'@'%';
GRANT SELECT ON seckill.generations TO 'persist-order'@'%';
GRANT SELECT ON seckill.migrations TO 'persist-order'@'%';

GRANT ALL ON seckill.* TO 'migrate'@'%';
GRANT SELECT, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT ON seckill.* TO 'backup'@'%';
-- For a moment nobody may write, while the place in the binary logs is noted with the dump.
GRANT RELOAD, REPLICATION CLIENT ON *.* TO 'backup'@'%';
