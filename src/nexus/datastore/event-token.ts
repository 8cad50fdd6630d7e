/** The end of a page of the history: the time and the id of its last event. */
import { z } from 'zod';
import { EventId } from '../../core/ids.ts';

/** The last moment that a Date holds. */
const MAX_TIME_MS = 8.64e15;

/** Parses what {@link eventToken} makes. */
export const EventToken = z
  .string()
  .regex(/^\d{1,16}_/)
  .transform(text => ({ timeMs: Number.parseInt(text, 10), id: text.slice(text.indexOf('_') + 1) }))
  .pipe(z.object({ timeMs: z.int().max(MAX_TIME_MS), id: EventId }));

export const eventToken = (timeMs: number, id: EventId): string => `${timeMs}_${id}`;
