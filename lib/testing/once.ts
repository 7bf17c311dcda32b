/** Of a test that states a promise: what breaks once is broken, so it is not tried again. */
export const once = { retry: 0 } as const;
