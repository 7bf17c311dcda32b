-- What an older copy of the database may not say of itself any more; run after each restore.
-- A sale that the copy knows as never loaded may have sold since: its first loading looks for that
-- in Kafka, from the beginning, where of generation 0 it would believe that there is nothing.
update products set generation = 1 where generation = 0;
-- A sale that was open then may have been closed since: nobody buys before an operator opens it.
update products set state = 'paused' where state = 'on_sale' and opens_at <= utc_timestamp(6);
