CREATE TABLE `dead_letter_decisions` (
	`topic` varchar(249) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`partition_number` int NOT NULL,
	`record_offset` bigint NOT NULL,
	`died_ms` bigint NOT NULL,
	`product_id` varchar(64) character set utf8mb4 collate utf8mb4_bin,
	`batch_id` varchar(96) character set utf8mb4 collate utf8mb4_bin,
	`action` varchar(16) NOT NULL,
	`operator` varchar(128) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`operation_id` varchar(64) character set utf8mb4 collate utf8mb4_bin NOT NULL,
	`at` datetime(6) NOT NULL,
	CONSTRAINT `dead_letter_decisions_topic_partition_number_record_offset_pk` PRIMARY KEY(`topic`,`partition_number`,`record_offset`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE INDEX `decisions_by_product` ON `dead_letter_decisions` (`product_id`,`at`);--> statement-breakpoint
CREATE INDEX `decisions_by_operation` ON `dead_letter_decisions` (`operation_id`);