import { expect, test } from 'vitest';
import { connectedOf } from './caller.ts';

const isLocal = (remoteAddress: string | undefined, localAddress: string | undefined): boolean => {
  const socket = { remoteAddress, localAddress };
  return connectedOf({ socket } as never, undefined).isLocal;
};

test('a caller is a process of this machine at a loopback address, or at the address where it arrived, and at no other', () => {
  for (const address of ['127.0.0.1', '127.9.8.7', '::1', '::ffff:127.0.0.1'])
    expect(isLocal(address, '10.0.0.1'), address).toBe(true);
  expect(isLocal('10.0.0.1', '10.0.0.1')).toBe(true);
  expect(isLocal('fd00::1', 'fd00::1')).toBe(true);
  for (const address of ['10.0.0.2', '::ffff:10.0.0.2', 'fd00::2', '1.127.0.0', ''])
    expect(isLocal(address, '10.0.0.1'), address).toBe(false);
  expect(isLocal(undefined, undefined), 'of a closed connection').toBe(false);
});
