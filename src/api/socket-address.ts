/** Addresses of servers, as others connect to them. */
import { z } from 'zod';

export const Port = z.number().int().min(1).max(65_535);

/** Of every interface, or of none. */
const UNSPECIFIED = /^(?:(?:[0:]*:(?:ffff:)?)?0\.0\.0\.0|[0:]+|[0:]*:ffff:0{1,4}:0{1,4})$/i;
const isUnspecified = (host: string): boolean => UNSPECIFIED.test(host);

/** An address of which others can be told: never a name, whose meaning its owner may change at any time. */
export const ReachableIp = z
  .string()
  .refine(
    text => !isUnspecified(text) && (z.ipv4().safeParse(text).success || z.ipv6().safeParse(text).success),
    'must be an IP address that others can reach, such as 192.0.2.1 or 2001:db8::1',
  );

const isSocketAddress = (text: string): boolean => {
  const [, ip6, ip4 = '', port] = /^(?:\[([^\]]*:[^\]]*)\]|([\d.]+)):([1-9]\d{0,4})$/.exec(text) ?? [];
  return Port.safeParse(Number(port)).success && ReachableIp.safeParse(ip6 ?? ip4).success;
};

/** `ip:port` or `[ip6]:port`. */
export const SocketAddressText = z
  .string()
  .max(64)
  .refine(isSocketAddress, 'must be an address and a port such as 192.0.2.1:12345 or [2001:db8::1]:12345');

/** Every address of a machine, in any spelling, also those of the resolver: `0`, `0x0`, `0.0`. */
export const isEveryAddress = (host: string): boolean =>
  isUnspecified(host) || /^(?:0x)?0+(?:\.(?:0x)?0+)*$/i.test(host);
