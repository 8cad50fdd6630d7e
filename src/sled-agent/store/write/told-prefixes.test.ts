import { expect, test } from 'vitest';
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import { asGeneration } from '../../../core/ids.ts';
import type { PrefixDigests } from '../../../core/prefix-digests.ts';
import { hashOf } from '../artifact.fixture.ts';
import { createToldPrefixes } from './told-prefixes.ts';

const nameOf = (seed: number) => hashOf(Buffer.from(String(seed)));
const prefixes = (marks: number, fill = 1): PrefixDigests => ({
  unitBytes: 100,
  digests: new Uint8Array(marks * 32).fill(fill),
});
const sized = (marks: number, fill?: number) => ({
  sizeBytes: (marks + 1) * 100,
  prefixes: prefixes(marks, fill),
});
const configOf = (sizes: readonly (number | undefined)[]): ArtifactConfig => ({
  generation: asGeneration(1),
  artifacts: new Map(sizes.map((size, seed) => [nameOf(seed), size])),
});

test('digests of a wanted artifact are known once they are told, whole and of its size', () => {
  const told = createToldPrefixes(() => configOf([300, undefined]));
  expect(told.of(nameOf(0), 300)).toBeUndefined();
  told.tell(nameOf(0), sized(2));
  expect(told.of(nameOf(0), 300)).toEqual(prefixes(2));
  told.tell(nameOf(1), sized(3));
  expect(told.of(nameOf(1), 400)).toEqual(prefixes(3));
  expect(told.of(nameOf(1), 500), 'the sender announced another length').toBeUndefined();
});

test('digests of what is not wanted, and those that do not fit, are refused', () => {
  let config: ArtifactConfig | undefined;
  const told = createToldPrefixes(() => config);
  const tell = (seed: number, given: ReturnType<typeof sized>) => () => told.tell(nameOf(seed), given);
  expect(tell(0, sized(2))).toThrow(expect.objectContaining({ code: 'NO_ARTIFACT_CONFIG' }));
  config = configOf([300]);
  expect(tell(1, sized(2))).toThrow(expect.objectContaining({ code: 'ARTIFACT_NOT_IN_CONFIG' }));
  for (const wrong of [
    sized(3),
    { ...sized(2), prefixes: prefixes(1) },
    { ...sized(2), prefixes: { unitBytes: 0, digests: new Uint8Array(64) } },
    { sizeBytes: 300, prefixes: { unitBytes: 300, digests: new Uint8Array() } },
  ])
    expect(tell(0, wrong)).toThrow(expect.objectContaining({ code: 'INVALID_REQUEST' }));
});

test('they are bounded in number and in bytes: those that were told first are forgotten first (TPX1)', () => {
  const config = configOf([300, 300, 300, 700]);
  const few = createToldPrefixes(() => config, { told: 2, bytes: 1_000 });
  for (const seed of [0, 1, 0, 2]) few.tell(nameOf(seed), sized(2));
  expect([0, 1, 2].map(seed => few.of(nameOf(seed), 300) !== undefined)).toEqual([true, false, true]);
  const short = createToldPrefixes(() => config, { told: 10, bytes: 256 });
  for (const seed of [0, 1, 2]) short.tell(nameOf(seed), sized(2));
  short.tell(nameOf(3), sized(6));
  expect([0, 1, 2].map(seed => short.of(nameOf(seed), 300) !== undefined)).toEqual([false, false, true]);
  expect(short.of(nameOf(3), 700)).toBeDefined();
});

test('a config forgets those of what it does not list, and gives their space back (TPX2)', () => {
  let config = configOf([300, 300]);
  const told = createToldPrefixes(() => config, { told: 10, bytes: 128 });
  for (const seed of [0, 1]) told.tell(nameOf(seed), sized(2));
  config = configOf([300]);
  told.settle();
  config = configOf([300, 300]);
  expect([0, 1].map(seed => told.of(nameOf(seed), 300) !== undefined)).toEqual([true, false]);
  told.tell(nameOf(1), sized(2));
  expect([0, 1].map(seed => told.of(nameOf(seed), 300) !== undefined)).toEqual([true, true]);
});

test('digests that bytes have contradicted are refused, and count again only after others were told (TPX3)', () => {
  const told = createToldPrefixes(() => configOf([300]));
  told.tell(nameOf(0), sized(2));
  told.contradicted(nameOf(0), prefixes(2)); // of a write that began before these were told
  const known = told.of(nameOf(0), 300);
  expect(known).toBeDefined();
  told.contradicted(nameOf(0), known!);
  expect(told.of(nameOf(0), 300)).toBeUndefined();
  expect(() => told.tell(nameOf(0), sized(2))).toThrow('had other prefix digests than these');
  expect(told.of(nameOf(0), 300)).toBeUndefined();
  told.tell(nameOf(0), sized(2, 7));
  expect(told.of(nameOf(0), 300)).toEqual(prefixes(2, 7));
});
