CREATE TABLE `generations` (
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`generation` int NOT NULL,
	`reason` varchar(32) NOT NULL,
	`topic_ends` json NOT NULL,
	`at` datetime(6) NOT NULL,
	CONSTRAINT `generations_product_id_generation_pk` PRIMARY KEY(`product_id`,`generation`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
