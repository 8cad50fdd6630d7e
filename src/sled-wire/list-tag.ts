/**
 * The tag of a list: by it a sled says that its list is still the one that a Nexus has, and nothing of it travels.
 *
 *     sled: list ─▶ tag ─▶ is it the one that the request names? ─┬─ yes ─▶ 304
 *     Nexus: list ─▶ tag, computed here too                       └─ no ──▶ the list
 *
 * LT1. Everything in a list counts, but for gauges, which count by coarse steps: bytes of a dataset by 1/64 of its quota, the scrub
 *      by 1/16 of its cycle, waits by ten minutes. A field that is added counts whole until it is named here.
 * LT2. A list with copies under way has no tag: their progress is news.
 * LT3. A list says its tag, and a Nexus names only one that it has computed from the same list. So a sled cannot affirm what it did
 *      not say, and a sled of another kind, or of a version with other fields, sends its list each time.
 */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { ArtifactListResponse } from '../api/sled-agent-api.ts';

const QUOTA_STEPS = 64;
/** Of a dataset without a quota. */
const BYTES_STEP = 16 * 2 ** 30;
const SCRUB_STEPS = 16;
const WAIT_STEP_S = 600;
/** Against an accident; nobody gains by two lists with one tag. */
const TAG_BYTES = 16;

type List = z.input<typeof ArtifactListResponse>;
type Dataset = NonNullable<List['dataset_health']>[number];
type Waiting = NonNullable<List['deletions_waiting']>;

/** In the form of a weak entity tag, as in RFC 9110; undefined for a list that changes by itself (LT2). */
export const listTag = (list: List): string | undefined => {
  if ((list.copies_in_flight ?? []).length > 0) return undefined;
  const digest = createHash('sha256')
    .update(JSON.stringify(stateOf(list), inOrder))
    .digest();
  return `W/"${digest.subarray(0, TAG_BYTES).toString('base64url')}"`;
};

/** Equal objects have equal texts, whatever the order of their keys. */
const inOrder = (_key: string, value: unknown): unknown =>
  typeof value !== 'object' || value === null || Array.isArray(value)
    ? value
    : Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));

/** LT1 */
const stateOf = ({ tag: _, ...list }: List): unknown => ({
  ...list,
  dataset_health: list.dataset_health?.map(datasetState),
  deletions_waiting: list.deletions_waiting && waitingState(list.deletions_waiting),
  deletions_limited: list.deletions_limited && waitingState(list.deletions_limited),
  deletions_deferred: list.deletions_deferred?.map(({ leases, ...deferred }) => ({
    ...deferred,
    leases: leases?.map(({ remaining_s, time_expires: _, ...lease }) => ({
      ...lease,
      left: stepOf(remaining_s),
    })),
  })),
  scrub: list.scrub && scrubState(list.scrub),
});

const datasetState = ({
  used_bytes: used,
  free_bytes: free,
  reclaimable_bytes: reclaimable,
  retained_bytes: retained,
  ...dataset
}: Dataset): unknown => {
  const { quota_bytes: quota } = dataset;
  const step = quota === undefined || quota < QUOTA_STEPS ? BYTES_STEP : quota / QUOTA_STEPS;
  const steps = [used, free, reclaimable, retained].map(bytes =>
    bytes === undefined ? null : Math.floor(bytes / step),
  );
  return { ...dataset, steps };
};

const waitingState = ({ first, ...waiting }: Waiting): unknown => ({
  ...waiting,
  first: first.map(({ remaining_s, ...deletion }) => ({ ...deletion, left: stepOf(remaining_s) })),
});

const stepOf = (seconds: number): number => Math.ceil(seconds / WAIT_STEP_S);

const scrubState = ({
  cycles_completed,
  files_done: done,
  files_total: total,
  last_bad,
}: NonNullable<List['scrub']>): unknown => ({
  cycles_completed,
  last_bad,
  step: Math.floor((SCRUB_STEPS * done) / Math.max(1, total)),
});
