GRANT SELECT, INSERT, UPDATE, DELETE ON seckill.* TO 'purchase'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON seckill.* TO 'persist-order'@'%';
GRANT ALL ON seckill.* TO 'migrate'@'%';
GRANT SELECT, LOCK TABLES, SHOW VIEW, TRIGGER, EVENT ON seckill.* TO 'backup'@'%';
