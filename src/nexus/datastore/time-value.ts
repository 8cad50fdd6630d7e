import { type RawBuilder, sql } from 'kysely';

/** Milliseconds as a time to compare a column with: columns of times are read as milliseconds. */
export const timeValue = (ms: number): RawBuilder<number> => sql<number>`${new Date(ms)}`;
