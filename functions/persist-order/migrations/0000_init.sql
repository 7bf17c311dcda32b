CREATE TABLE `operations` (
	`operation_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`operator` varchar(128) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`action` varchar(32) NOT NULL,
	`details` json NOT NULL,
	`at` datetime(6) NOT NULL,
	CONSTRAINT `operations_operation_id` PRIMARY KEY(`operation_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `order_units` (
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`unit` int NOT NULL,
	`order_id` varchar(96) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	CONSTRAINT `order_units_product_id_unit_pk` PRIMARY KEY(`product_id`,`unit`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `orders` (
	`order_id` varchar(96) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`user_id` varchar(128) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`quantity` int NOT NULL,
	`status` varchar(16) NOT NULL,
	`reason` varchar(64),
	`unit_price` bigint NOT NULL,
	`currency` char(3) NOT NULL,
	`batch_id` varchar(96) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`user_first_at` datetime(6) NOT NULL,
	`user_quantity` int NOT NULL,
	`sold` int NOT NULL,
	`accepted_at` datetime(6) NOT NULL,
	`created_at` datetime(6) NOT NULL,
	CONSTRAINT `orders_order_id` PRIMARY KEY(`order_id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `products` (
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`name` varchar(200) NOT NULL,
	`unit_price` bigint NOT NULL,
	`currency` char(3) NOT NULL,
	`stock` int NOT NULL,
	`unsold` int NOT NULL,
	`limit_per_user` int NOT NULL,
	`state` varchar(16) NOT NULL,
	`opens_at` datetime(6),
	`closes_at` datetime(6),
	`generation` int NOT NULL,
	`created_at` datetime(6) NOT NULL,
	CONSTRAINT `products_product_id` PRIMARY KEY(`product_id`),
	CONSTRAINT `products_unsold` CHECK(unsold between 0 and stock)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE INDEX `operations_by_product` ON `operations` (`product_id`,`at`);--> statement-breakpoint
CREATE INDEX `units_by_order` ON `order_units` (`order_id`);--> statement-breakpoint
CREATE INDEX `orders_by_user` ON `orders` (`user_id`,`accepted_at`);--> statement-breakpoint
CREATE INDEX `orders_by_product` ON `orders` (`product_id`,`accepted_at`);