// kafkajs 2.2.4 asks each connection once a millisecond, for ever, whether a request waits to be
// sent (its timer's time lies in the past: `throttledUntil` is -1). Here it asks only while one
// does: what is pushed later asks anew. Imported for what it does.

import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';

const schedule = RequestQueue.prototype.scheduleCheckPendingRequests;

RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleWhilePending(
  this: RequestQueue,
) {
  if (this.pending.length > 0) schedule.call(this);
};
