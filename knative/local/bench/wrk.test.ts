import { expect, test } from 'vitest';
import { parseWrk } from './wrk.ts';

const text = `Running 5s test @ http://127.0.0.1:20001
  1 threads and 256 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    31.32ms   12.20ms 205.71ms   93.10%
    Req/Sec     8.32k     1.02k    9.90k    80.00%
  Latency Distribution
     50%   28.90ms
     75%   33.51ms
     90%   39.02ms
     99%    1.02s 
  41234 requests in 5.02s, 12.20MB read
Requests/sec:   8213.94
Transfer/sec:      2.43MB
`;

test('requests, time and percentiles, whatever their units', () => {
  expect(parseWrk(text)).toEqual({
    requests: 41_234,
    seconds: 5.02,
    p50Ms: 28.9,
    p99Ms: 1_020,
    refused: 0,
    socketErrors: 0,
  });
  const other = text.replace('28.90ms', '500.00us').replace('5.02s', '1.50m');
  expect(parseWrk(other)).toMatchObject({ p50Ms: 0.5, seconds: 90 });
});

test('refusals and errors of sockets are counted', () => {
  const errors = `${text}  Socket errors: connect 1, read 20, write 300, timeout 4000
  Non-2xx or 3xx responses: 77
`;
  expect(parseWrk(errors)).toMatchObject({ refused: 77, socketErrors: 4_321 });
});

test('anything else is not taken for figures', () => {
  expect(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused')).toThrow(
    'Connection refused',
  );
  expect(() => parseWrk(text.replace('99%', '98%'))).toThrow();
});
