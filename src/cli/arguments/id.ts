import type { z } from 'zod';
import { NexusId } from '../../core/ids.ts';
import { usageError } from '../output/failure.ts';

/** @param list the command that shows the ids. @throws `USAGE` saying whose id it should be */
export const parseId = <Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  whose: string,
  list: string,
): z.output<Schema> => {
  const id = schema.safeParse(text);
  if (id.success) return id.data;
  throw usageError(`${text} is not the id of ${whose}`, `${list} shows the ids`);
};

/** As the commands of Nexus instances take it. */
export const parseNexusId = (text: string): NexusId =>
  parseId(NexusId, text, 'a Nexus', 'tuf-depot nexus list');
