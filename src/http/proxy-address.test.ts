import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createDownloader } from './download.ts';
import { environmentProxies, parseProxy, proxyAddress } from './proxy-address.ts';

test.each([
  ['proxy:3128', 'http://proxy:3128'],
  ['192.0.2.1:3128', 'http://192.0.2.1:3128'],
  ['user:secret@proxy:3128', 'http://user:secret@proxy:3128'],
  ['http://proxy:3128', 'http://proxy:3128'],
  ['https://proxy', 'https://proxy'],
  ['socks5://proxy:1080', undefined],
  ['http://', undefined],
  ['a b', undefined],
])('%s is the proxy %s', (text, address) => {
  expect(parseProxy(text)).toBe(address);
});

test('what is no proxy is refused by the name of its setting, without the text, which may have a password', () => {
  expect(() => environmentProxies({ HTTPS_PROXY: 'socks5://user:secret@proxy:1080' })).toThrow(
    'HTTPS_PROXY names a socks5 proxy: use host:port, or http://user:password@host:port',
  );
  expect(() => proxyAddress('http://user:secret@', '--proxy')).toThrow(
    /^--proxy names no address of a proxy/,
  );
});

test('the lower case of a variable goes first, and an empty one is none', () => {
  expect(environmentProxies({ http_proxy: 'a:1', HTTP_PROXY: 'b:1', HTTPS_PROXY: 'c:1' })).toEqual({
    httpProxy: 'http://a:1',
    httpsProxy: 'http://c:1',
  });
  expect(environmentProxies({ http_proxy: '', HTTP_PROXY: 'b:1' })).toEqual({});
});

let proxy: Server;
let asked: string[];
beforeEach(async () => {
  asked = [];
  // What a tunnel to a plain server is, and what is asked of a proxy for one.
  proxy = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end('from the proxy');
  }).on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  vi.unstubAllEnvs();
  proxy.closeAllConnections();
  proxy.close();
});

test('a download goes through a proxy that the environment names without a scheme', async () => {
  vi.stubEnv('http_proxy', undefined);
  vi.stubEnv('no_proxy', '');
  vi.stubEnv('NO_PROXY', '');
  vi.stubEnv('HTTP_PROXY', `127.0.0.1:${(proxy.address() as AddressInfo).port}`);
  await using downloader = createDownloader();
  const { signal } = new AbortController();
  const url = 'http://repository.example/metadata/1.root.json';
  await downloader
    .get(url, { maxBytes: 100, signal })
    .then(download => download?.[Symbol.asyncDispose]())
    .catch(() => undefined);
  expect(asked.join(' ')).toContain('repository.example');
});
