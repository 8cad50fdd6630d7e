/** What every datastore keeps for sleds that speak plain HTTP. */
import { describe, expect, test } from 'vitest';
import { parseAuditContent } from '../../../core/facts/audit.ts';
import { SledId } from '../../../core/ids.ts';
import { newId, type OpenDatastore, originBy, registration, wait } from './records.fixture.ts';

const ADDRESS = '::1';
const from = (plainFrom: string) => ({ ...wait, plainFrom });
const plain = (address?: string) => ({ kind: 'plain', address }) as const;
const TLS = { kind: 'tls' } as const;
const REFUSED = { code: 'SLED_NOT_PLAIN' };

export const transportRules = (open: OpenDatastore): void => {
  describe('sleds without an identity', () => {
    test('register only once they are approved, from that address, and naming it (STR1, STR2)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      await expect(datastore.sledUpsert(id, registration(), from(ADDRESS))).rejects.toMatchObject(REFUSED);
      expect(await datastore.sledGet(id, wait)).toBeUndefined();
      expect(await datastore.sledSetTransport(id, plain(ADDRESS), wait)).toBe(ADDRESS);
      expect(await datastore.sledPlainAddress(id, wait)).toBe(ADDRESS);
      await expect(datastore.sledUpsert(id, registration(), from('::2'))).rejects.toMatchObject(REFUSED);
      const elsewhere = registration({ agentAddress: '[::2]:12345' });
      await expect(datastore.sledUpsert(id, elsewhere, from(ADDRESS))).rejects.toMatchObject(REFUSED);
      const another = newId(SledId);
      await expect(datastore.sledUpsert(another, registration(), from(ADDRESS))).rejects.toMatchObject(
        REFUSED,
      );

      expect(await datastore.sledUpsert(id, registration(), from(ADDRESS))).toMatchObject({ changed: true });
      expect(await datastore.sledGet(id, wait)).toMatchObject({ plainAddress: ADDRESS });
      const { items } = await datastore.sledList({ limit: 10, policy: 'in_service' }, wait);
      expect(items).toMatchObject([{ id, plainAddress: ADDRESS }]);
    });

    test('become identified by a registration with an identity, and never plain again by themselves (STR3)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      await datastore.sledSetTransport(id, plain(ADDRESS), wait);
      await datastore.sledUpsert(id, registration(), from(ADDRESS));
      expect(await datastore.sledUpsert(id, registration(), wait)).toMatchObject({
        changed: true,
        endedPlainAddress: ADDRESS,
      });
      expect((await datastore.sledGet(id, wait))?.plainAddress).toBeUndefined();
      await expect(datastore.sledUpsert(id, registration(), from(ADDRESS))).rejects.toMatchObject(REFUSED);
      expect(await datastore.sledUpsert(id, registration(), wait)).toMatchObject({ changed: false });
    });

    test('are approved at the address of their registration unless another is given, and no longer when that ends (STR1)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const [known, unknown] = [newId(SledId), newId(SledId)];
      await datastore.sledUpsert(known, registration({ agentAddress: '[0:0::1]:12345' }), wait);
      expect(await datastore.sledSetTransport(known, plain(), wait)).toBe(ADDRESS);
      expect(await datastore.sledSetTransport(known, plain('::2'), wait)).toBe('::2');
      expect((await datastore.sledGet(known, wait))?.plainAddress).toBe('::2');
      expect(await datastore.sledSetTransport(known, TLS, wait)).toBeUndefined();
      expect(await datastore.sledPlainAddress(known, wait)).toBeUndefined();
      await expect(datastore.sledSetTransport(unknown, plain(), wait)).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
      });
      await expect(datastore.sledSetTransport(unknown, TLS, wait)).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    test('lose their approval when they are forgotten, and each change of it is audited (T6)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const id = newId(SledId);
      const audited = () => ({ ...wait, audit: originBy() });
      await datastore.sledSetTransport(id, plain(ADDRESS), audited());
      await datastore.sledUpsert(id, registration(), from(ADDRESS));
      await datastore.sledSetTransport(id, TLS, audited());
      const { items } = await datastore.auditList({ limit: 10, sortBy: 'seq_ascending' }, wait);
      const kind = 'sled_transport_set';
      expect(items.map(({ content }) => parseAuditContent(content)?.action)).toEqual([
        { kind, sledId: id, serial: '', plainAddress: ADDRESS },
        { kind, sledId: id, serial: 'BRM42', previousPlainAddress: ADDRESS },
      ]);
      await datastore.sledSetTransport(id, plain(), wait);
      await datastore.sledSetPolicy(id, 'expunged', wait);
      await datastore.sledForget(id, { certificateLifeMs: 0 }, wait);
      expect(await datastore.sledPlainAddress(id, wait)).toBeUndefined();
    });
  });
};
