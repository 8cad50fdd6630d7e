import { expect, test } from 'vitest';
import { endpointUrl, formatAddress, splitAddress } from './endpoint.ts';

test('an address is split and put together again, and a URL has brackets around an IPv6 host alone', () => {
  for (const [text, host, port] of [
    ['127.0.0.1:12345', '127.0.0.1', 12_345],
    ['[fd00::1]:80', 'fd00::1', 80],
    ['[::ffff:10.0.0.1]:80', '::ffff:10.0.0.1', 80],
    ['sled-1.example:80', 'sled-1.example', 80],
  ] as const) {
    const address = splitAddress(text);
    expect(address).toEqual({ host, port });
    expect(formatAddress(address)).toBe(text);
    expect(endpointUrl({ scheme: 'http', ...address })).toBe(`http://${text}`);
  }
});

test('what a peer reports instead of an address is no URL', () => {
  for (const text of ['', 'nonsense', 'host:port', ':80'])
    expect(URL.canParse(endpointUrl({ scheme: 'http', ...splitAddress(text) })), text).toBe(false);
});
