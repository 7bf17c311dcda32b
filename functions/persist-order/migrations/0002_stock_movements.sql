CREATE TABLE `stock_movements` (
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`kind` varchar(16) NOT NULL,
	`reference` varchar(96) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`units` int NOT NULL,
	`at` datetime(6) NOT NULL,
	CONSTRAINT `stock_movements_product_id_kind_reference_pk` PRIMARY KEY(`product_id`,`kind`,`reference`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
REPLACE INTO `stock_movements`
SELECT p.product_id, 'on_sale', COALESCE(
		(SELECT MIN(operation_id) FROM `operations` o
			WHERE o.product_id = p.product_id AND o.action = 'create'),
		p.product_id
	), p.stock - COALESCE(r.units, 0), p.created_at
FROM `products` p
LEFT JOIN (
	SELECT product_id, SUM(CAST(JSON_EXTRACT(details, '$.units') AS SIGNED)) AS units
	FROM `operations` WHERE action = 'restock' GROUP BY product_id
) r ON r.product_id = p.product_id;
--> statement-breakpoint
REPLACE INTO `stock_movements`
SELECT product_id, 'restock', operation_id, CAST(JSON_EXTRACT(details, '$.units') AS SIGNED), at
FROM `operations` WHERE action = 'restock';
--> statement-breakpoint
REPLACE INTO `stock_movements`
SELECT product_id, 'sold', batch_id, -SUM(quantity), MAX(created_at)
FROM `orders` WHERE status IN ('confirmed', 'cancelled') GROUP BY product_id, batch_id;
--> statement-breakpoint
REPLACE INTO `stock_movements`
SELECT o.product_id, 'cancelled', o.order_id, o.quantity, COALESCE(c.at, o.created_at)
FROM `orders` o
LEFT JOIN (
	SELECT JSON_UNQUOTE(JSON_EXTRACT(details, '$.orderId')) AS order_id, MIN(at) AS at
	FROM `operations` WHERE action = 'cancel' GROUP BY 1
) c ON c.order_id = o.order_id
WHERE o.status = 'cancelled';
