/** Every point that the wanted set ever had (P13); core/lineage.ts has the rules. */
import { asGeneration, type Point, pointText, type SledId } from '../../../../core/ids.ts';
import type { RecordedPoints } from '../../../../core/lineage.ts';
import { DepotError } from '../../../../lib/errors.ts';
import type { Database, Tables } from '../../tables.ts';

/** Why a point was recorded, and for whom. */
export type PointOrigin = {
  readonly origin: Exclude<Tables['tuf_point']['origin'], 'first'>;
  readonly orderedBy?: string | undefined;
  readonly sledId?: SledId | undefined;
};

/** Points looked up in one statement. */
const LOOKUP_BATCH = 500;

export const readRecordedPoints = async (db: Database, claims: readonly Point[]): Promise<RecordedPoints> => {
  const first = await db
    .selectFrom('tuf_point')
    .select('generation')
    .where('origin', '=', 'first')
    .orderBy('generation')
    .executeTakeFirst();
  if (first === undefined)
    throw new DepotError(
      'DATABASE_CONTENT',
      'the database has no first point: tuf_point was changed by hand',
    );
  const generations = [...new Set(claims.map(({ generation }) => generation))];
  const claimed = new Set(claims.map(pointText));
  const recorded = new Set<string>();
  for (let start = 0; start < generations.length; start += LOOKUP_BATCH) {
    const rows = await db
      .selectFrom('tuf_point')
      .select(['generation', 'digest'])
      .where('generation', 'in', generations.slice(start, start + LOOKUP_BATCH))
      .execute();
    for (const { generation, digest } of rows) {
      const text = pointText({ generation: asGeneration(generation), digest });
      if (claimed.has(text)) recorded.add(text);
    }
  }
  return { first: asGeneration(first.generation), recorded };
};

/** A point that is recorded already stays as it is. */
export const recordPoint = async (
  db: Database,
  { generation, digest }: Point,
  { origin, orderedBy, sledId }: PointOrigin,
): Promise<void> => {
  await db
    .insertInto('tuf_point')
    .values({ generation, digest, origin, ordered_by: orderedBy ?? null, sled_id: sledId ?? null })
    .onConflict(conflict => conflict.columns(['generation', 'digest']).doNothing())
    .execute();
};
