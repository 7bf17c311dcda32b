// The limits of the system in one place, unit last. How they must relate to each other is stated
// in constants.test.ts.

/** HTTP as the buyer sees it. */
export const bodyBytesMax = 4_096;
export const quantityMax = 1_000;
export const userIdBytesMax = 128;
export const stockMax = 10_000_000;
export const unitPriceMax = 1_000_000_000_000;
export const productIdPattern = /^[A-Za-z0-9_-]{1,64}$/;
export const idempotencyKeyPattern = /^[A-Za-z0-9_-]{8,64}$/;
export const orderIdPattern = /^[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{22}$/;
export const retryAfterSeconds = 1;

/** What the edge sends to `purchase` in one request. */
export const batchOrdersMax = 256;
/** One lock turn, one Lua call: what it may decide (Lua unpacks two values per order at once). */
export const turnOrdersMax = 512;
/** One event: at most this many orders and bytes; a larger turn becomes several events. */
export const eventOrdersMax = 200;
export const eventBytesMax = 48 * 1_024;
/** One send: all of it may be for one partition, where Kafka takes a megabyte at once. */
export const sendBytesMax = 512 * 1_024;

/** The edge's side of the hop to `purchase`. */
export const edgeBatchesInFlightPerProduct = 4;
/** Of all products: as many connections. */
export const edgeBatchesInFlightMax = 128;
export const edgeQueuePerProductMax = 10_000;
export const edgeQueueMax = 20_000;
/** Of all product ids together that nothing has shown to exist: buyers make them up. */
export const edgeUnknownBatchesInFlightMax = 8;
export const edgeUnknownQueueMax = 1_000;

/** The seller's bounded queue per product; a full one answers 503 at once. */
export const sellerQueuePerProductMax = 20_000;

/** A stream of an order's events: it holds off scale-to-zero, so it is short and asked for again. */
export const orderStreamMs = 30_000;
export const orderStreamHeartbeatMs = 5_000;

/** Time: each wait is shorter than the wait of whoever waits for it. */
export const redisCommandTimeoutMs = 1_000;
/**
 * A connection to Redis on which commands wait and nothing has come for so long is given up: its
 * machine may have lost its power, and then nobody else closes it. Not before another node takes
 * over (`cluster-node-timeout`).
 */
export const redisSilenceMs = 3_000;
export const kafkaSendTimeoutMs = 3_000;
export const purchaseDeadlineMs = 6_000;
export const edgeForwardTimeoutMs = 8_000;
export const edgeRequestTimeoutMs = 10_000;
export const lockTtlMs = 10_000;
/** How long a rebuild waits for persist-order to write what the topic holds. */
export const rebuildTimeoutMs = 30_000;
export const drainDeadlineMs = 15_000;

/** A server's connections: so many, and so long for what a client has to do on one. */
export const connectionsMax = 10_000;
export const headersTimeoutMs = 10_000;
export const requestTimeoutMs = 30_000;
export const answerUnreadMaxMs = 30_000;
export const headerBytesMax = 16 * 1_024;
export const headersMax = 128;
/** Requests sent on one connection before the first of them is answered. */
export const pipelinedRequestsMax = 8;

/** A sink: what it reads, how long an event may wait and be worked on before it is 503. */
export const eventBodyBytesMax = 1_048_576;
/** Longer than a topic takes by anybody's settings: so much is read of what is refused. */
export const discardedBytesMax = 16 * eventBodyBytesMax;
/** Orders and units together; an event alone may hold more. */
export const persistRowsPerTransactionMax = 4_000;
export const persistConnections = 10;
/** One has its SQL made while MySQL carries the other one out. */
export const persistTransactionsPerProduct = 2;
export const persistWaitMaxMs = 4_500;
export const persistDeadlineMs = 8_000;
export const mysqlLockWaitSeconds = 3;
/** The `timeout` of the KafkaSources (PT15S): an event without an answer by then is sent again. */
export const sourceTimeoutMs = 15_000;

/** Leaderboards keep this many members. */
export const boardMembersMax = 10_000;

/** Redis keeps a settled sale for a week: late retries are answered from it. */
export const settledSaleKeptSeconds = 7 * 24 * 60 * 60;

/** So long may MySQL be silent on a statement of `purchase`, which other turns wait for. */
export const mysqlSilenceMaxMs = 4_000;

/**
 * Connections to MySQL of one instance; times `max-scale` they stay within its budget. Rebuilds,
 * ticks and reconciliations have their own, so that reads and operators never wait for them.
 */
export const purchaseMysqlConnections = 4;
export const purchaseUpkeepConnections = 4;
/** Fewer than a pool lets wait for its connections (ten times as many). */
export const mysqlQueriesAtOnce = 16;

/** A sale is reconciled once in so long, by whichever instance is ticked first. */
export const reconcileEveryMs = 55_000;

/** Of the metrics, never the public one; no manifest says it, since every image keeps it. */
export const metricsPortByDefault = 9_464;

/** Of purchases whose callers do not say that they are traced, so many are: one in a hundred. */
export const tracedShareByDefault = 0.01;
/** Of those whose callers say so, per instance: anybody can. */
export const tracesForcedPerSecondMax = 100;
/** How long a function that leaves waits for the last of its spans to be taken. */
export const traceFlushMaxMs = 2_000;
