/** The statement that trusts a root. */
import { createHash } from 'node:crypto';
import type { StatementOf } from '../../core/statement.ts';

/**
 * Of the root as Nexus records it and tells it to sleds: the same JSON, without the white space of its file.
 *
 * @param body the root, parsed
 */
export const trustRootContent = (body: unknown): Pick<StatementOf<'trust_root'>, 'kind' | 'rootSha256'> => ({
  kind: 'trust_root',
  rootSha256: createHash('sha256').update(JSON.stringify(body)).digest('hex'),
});
