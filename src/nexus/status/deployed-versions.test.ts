import { expect, test } from 'vitest';
import { SledId, SystemVersion } from '../../core/ids.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import { DeployedVersions } from '../background/original-debugger.fixture.ts';
import type { Observation } from '../replication/observation.ts';
import { deployedVersions } from './deployed-versions.ts';

const id = (n: number) => SledId.parse(`00000001-0000-4000-8000-${String(n).padStart(12, '0')}`);
const running = sledReport({ runningVersion: SystemVersion.parse('1.2.0') });

const observed = {
  sleds: [
    { id: id(3), answer: { kind: 'unreachable' }, report: running },
    { id: id(2), answer: { kind: 'ok' }, report: sledReport({}) },
    { id: id(1), answer: { kind: 'ok' }, report: running },
  ],
} as unknown as Observation;

test("the original's debugger decodes every sled in service, with what is not known as unknown (DV1)", () => {
  const { mgs_driven, sleds } = DeployedVersions.parse(deployedVersions(observed));
  expect(mgs_driven).toEqual([]);
  const unknown = { zone_status_version: 'unknown' };
  const slots = { slot_a_version: unknown, slot_b_version: unknown };
  const sled = (n: number, err: string) => ({
    sled_id: id(n),
    zones: [],
    host_phase_2: { boot_disk: { err }, ...slots },
  });
  expect(sleds).toEqual([
    sled(1, 'unknown; the sled says that it runs release 1.2.0'),
    sled(2, 'unknown'),
    sled(3, 'unknown'),
  ]);
});

test('before the first round no sled is listed', () => {
  expect(DeployedVersions.parse(deployedVersions(undefined))).toEqual({ mgs_driven: [], sleds: [] });
});
