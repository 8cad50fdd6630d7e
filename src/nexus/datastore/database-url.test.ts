import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DatabaseHost, hostName, parseDatabaseUrl, requireDatabaseTarget } from './database-url.ts';

const target = (url: string) => requireDatabaseTarget(url);
const hostsOf = (url: string) => target(url).hosts.map(hostName);
const faultOf = (url: string) => {
  const parsed = parseDatabaseUrl(url);
  return 'fault' in parsed ? parsed.fault : undefined;
};

describe('the URL of the database', () => {
  test('names one host, with the port of PostgreSQL where it has none', () => {
    expect(target('postgresql://depot:secret@db.example/tuf_depot')).toEqual({
      hosts: [{ host: 'db.example', port: 5432 }],
      database: 'tuf_depot',
      user: 'depot',
      password: 'secret',
      tls: { mode: 'disable', rootCertificate: undefined, client: undefined },
    });
  });

  test('names several hosts in the order in which they are tried, IPv6 addresses in brackets', () => {
    expect(hostsOf('postgresql://a:5432,[fd00::1]:5433,10.0.0.3/db?target_session_attrs=read-write')).toEqual(
      ['a:5432', '[fd00::1]:5433', '10.0.0.3:5432'],
    );
  });

  test('names sockets and hosts by options, as libpq does', () => {
    expect(target('postgresql:///db?host=%2Frun%2Fpg&port=5433&user=depot')).toMatchObject({
      hosts: [{ host: '/run/pg', port: 5433 }],
      user: 'depot',
    });
    expect(hostsOf('postgresql:///db?host=a,b&port=1,2')).toEqual(['a:1', 'b:2']);
    expect(hostsOf('postgresql:///db?host=a,b&port=7')).toEqual(['a:7', 'b:7']);
    expect(hostsOf('postgresql://%2Frun%2Fpg/db')).toEqual(['/run/pg']);
    expect(hostsOf('postgresql:///db')).toEqual(['localhost:5432']);
  });

  test('names certificates by absolute paths', () => {
    const tls = 'sslmode=verify-full&sslrootcert=/etc/ca.pem&sslcert=/etc/depot.crt&sslkey=/etc/depot.key';
    expect(target(`postgresql://a/db?${tls}`).tls).toEqual({
      mode: 'verify-full',
      rootCertificate: '/etc/ca.pem',
      client: { certificate: '/etc/depot.crt', key: '/etc/depot.key' },
    });
    expect(target('postgresql://a/db?sslmode=verify-full&sslrootcert=system').tls.rootCertificate).toBe(
      'system',
    );
  });

  test.for([
    ['mysql://a/db', /must be a URL such as/],
    ['postgresql://a:5432', /names no database/],
    ['postgresql://a:0/db', /port must be a number from 1/],
    ['postgresql://a:99999/db', /port must be a number from 1/],
    ['postgresql://a:x/db', /a host must be/],
    ['postgresql://fd00::1/db', /a host must be/],
    ['postgresql://a,,b/db', /one of the hosts is empty/],
    ['postgresql://a/db?host=b', /hosts are given both/],
    ['postgresql://a:1/db?port=2', /ports are given both/],
    ['postgresql:///db?host=a,b&port=1,2,3', /names 3 ports for 2 hosts/],
    ['postgresql://1,2,3,4,5,6,7,8,9/db', /at most 8/],
    ['postgresql://a/db?connect_timeout=3', /unknown option connect_timeout; known here: host, port/],
    ['postgresql://a/db?sslmode', /option sslmode has no value/],
    ['postgresql://a/db?sslmode=require&sslmode=disable', /option sslmode occurs twice/],
    ['postgresql://u@a/db?user=v', /user occurs twice/],
    ['postgresql://a/db?target_session_attrs=any', /must be read-write/],
    ['postgresql://a/db?sslmode=prefer', /sslmode must be one of disable, require, verify-ca, verify-full/],
    ['postgresql://a/db?sslmode=verify-ca', /needs sslrootcert/],
    ['postgresql://a/db?sslmode=verify-ca&sslrootcert=system', /needs sslmode=verify-full/],
    ['postgresql://a/db?sslmode=require&sslrootcert=ca.pem', /must be absolute paths/],
    ['postgresql://a/db?sslmode=require&sslcert=/c', /one is missing/],
    ['postgresql://a/db?sslrootcert=/c', /certificates need an sslmode/],
    ['postgresql:///db?host=/run/pg&sslmode=require', /has no effect on a Unix socket/],
    ['postgresql://u:50%@a/db', /% without two hex digits/],
    ['postgresql://u:12/hunter@a/db', /has an @ after its hosts/],
    ['postgresql://u:12?hunter=2@a/db', /has an @ after its hosts/],
    ['postgresql://a/db?user=depot@corp', /%40/],
  ] as const)('%s is refused with a reason', ([url, reason]) => {
    expect(faultOf(url)).toMatch(reason);
    expect(() => requireDatabaseTarget(url)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(/^database\.url: /) }),
    );
  });
});

const arbText = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .filter(text => text.isWellFormed());
const arbPort = fc.integer({ min: 1, max: 65_535 });
const arbHost: fc.Arbitrary<DatabaseHost> = fc.record({
  host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain(), fc.constantFrom('/run/pg', '/tmp/a b,c')),
  port: arbPort,
});

const written = (
  hosts: readonly DatabaseHost[],
  user: string,
  password: string,
  database: string,
): string => {
  const authority = hosts.map(({ host, port }) =>
    host.includes(':') ? `[${host}]:${port}` : `${encodeURIComponent(host)}:${port}`,
  );
  const [u, p, d] = [user, password, database].map(encodeURIComponent);
  return `postgresql://${u}:${p}@${authority.join(',')}/${d}`;
};

test('whatever is written into a URL with its special characters encoded is read back as it was', () => {
  const arbHosts = fc.array(arbHost, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(arbHosts, arbText, arbText, arbText, (hosts, user, password, database) => {
      expect(target(written(hosts, user, password, database))).toMatchObject({
        hosts,
        user,
        password,
        database,
      });
    }),
  );
});

test('any text is read or refused with a fault, and neither the fault nor the hosts show the password', () => {
  const secret = 'hunter_two';
  const arbAround = fc.string({ unit: fc.constantFrom(...'/?#@:[],&=%ab1') });
  fc.assert(
    fc.property(arbAround, arbAround, arbAround, arbAround, (user, before, between, after) => {
      const parsed = parseDatabaseUrl(`postgresql://${user}:${before}${secret}${between}@${after}`);
      const shown = 'fault' in parsed ? parsed.fault : parsed.hosts.map(hostName).join();
      expect(shown).not.toContain(secret);
      expect(() => parseDatabaseUrl(`${user}${before}${between}${after}`)).not.toThrow();
    }),
    { numRuns: 2000 },
  );
});
